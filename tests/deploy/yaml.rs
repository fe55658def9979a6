//! YAML as JSON, with CloudFormation's short forms in their long ones, read by what cfn-lint is installed with.

use std::{collections::BTreeMap, process::Command, sync::LazyLock};

use headwater_harness::cache;
use serde_json::Value;

use crate::root;

/// Templates by cfn-lint's own reader; everything else as plain YAML.
const READ: &str = "
import json, sys, yaml, cfnlint.decode
def read(path):
    if 'cloudformation' not in path:
        with open(path) as file:
            return yaml.safe_load(file)
    template, errors = cfnlint.decode.decode(path)
    assert not errors, errors
    return template
json.dump({path: read(path) for path in sys.argv[1:]}, sys.stdout)
";

static FILES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let folder = root().join("deploy/cloudformation");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("deploy/cloudformation/{name}"))
        .collect();
    paths.push("compose.yaml".to_owned());
    let output = python(READ)
        .args(&paths)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
});

fn python(script: &str) -> Command {
    let home = cache::installed("cfn").unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(home.join("venv/bin/python"));
    command.args(["-c", script]);
    command
}

/// A file of the repository, by its path.
pub fn file(path: &str) -> &'static Value {
    FILES
        .get(path)
        .unwrap_or_else(|| panic!("no {path} among {:?}", FILES.keys()))
}

/// The templates, by their file's name.
pub fn templates() -> impl Iterator<Item = (&'static str, &'static Value)> {
    FILES.iter().filter_map(|(path, value)| {
        let name = path.strip_prefix("deploy/cloudformation/")?;
        Some((name, value))
    })
}

/// A text that is YAML itself.
pub fn parse(text: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    let output = python(script).arg(text).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
