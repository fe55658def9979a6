//! `helm` as a function: values in, the rendered documents out, each read as `(path, value)`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn helm(arguments: &[&str]) -> Output {
    let cache =
        std::env::var_os("HEADWATER_CACHE").map_or_else(|| root().join(".cache"), PathBuf::from);
    let program = std::env::var_os("HEADWATER_HELM")
        .map_or_else(|| cache.join("helm/bin/helm"), PathBuf::from);
    Command::new(&program)
        .args(arguments)
        .arg(root().join("helm/headwater"))
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "run {}: {error}; run `scripts/install helm` first",
                program.display()
            )
        })
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// With settings, which any argument can replace.
pub fn with_settings(command: &[&str], arguments: &[&str]) -> Output {
    let mut values = tempfile::NamedTempFile::new().unwrap();
    writeln!(values, "settings: |\n  name = \"shop\"").unwrap();
    let path = values.path().to_str().unwrap();
    helm(&[command, &["--values", path], arguments].concat())
}

pub fn template(arguments: &[&str]) -> Output {
    with_settings(&["template", "shop"], arguments)
}

/// The rendered chart, one string per document.
pub fn render(arguments: &[&str]) -> Vec<String> {
    let output = template(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
        .split("\n---\n")
        .map(str::to_owned)
        .collect()
}

pub fn refusal(arguments: &[&str]) -> String {
    let output = template(arguments);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    text(&output.stderr)
}

/// A document as `(path, value)`, `[]` for an item of a list. Reads the block style that the chart is
/// written in, and block scalars that keep their line ends.
pub fn leaves(document: &str) -> Vec<(String, String)> {
    let mut leaves: Vec<(String, String)> = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        let mut rest = line.trim_start();
        let mut indent = line.len() - rest.len();
        if rest.is_empty() || rest.starts_with('#') || rest == "---" {
            continue;
        }
        path.retain(|(at, _)| *at < indent);
        while let Some(item) = rest.strip_prefix("- ") {
            path.push((indent, "[]".into()));
            indent += 2;
            rest = item;
        }
        let (key, value) = match rest.split_once(':') {
            Some((key, value)) if value.is_empty() || value.starts_with(' ') => (key, value.trim()),
            _ => ("", rest),
        };
        path.push((indent, key.into()));
        let value = if value.starts_with('|') {
            let mut block = String::new();
            while let Some(line) = lines.next_if(|line| {
                line.trim().is_empty() || line.len() - line.trim_start().len() > indent
            }) {
                block.push_str(line.get(indent + 2..).unwrap_or_default());
                block.push('\n');
            }
            block
        } else {
            value.trim_matches('"').to_owned()
        };
        let name: Vec<_> = path.iter().map(|(_, key)| key.as_str()).collect();
        leaves.push((name.join("."), value));
    }
    leaves
}

pub fn of_kind(documents: &[String], kind: &str) -> Vec<(String, String)> {
    let wanted = ("kind".to_owned(), kind.to_owned());
    documents
        .iter()
        .map(|document| leaves(document))
        .find(|leaves| leaves.contains(&wanted))
        .unwrap_or_else(|| panic!("no {kind} is rendered"))
}

pub fn value<'a>(leaves: &'a [(String, String)], path: &str) -> &'a str {
    leaves
        .iter()
        .find(|(name, _)| name == path)
        .map_or_else(|| panic!("no `{path}` in {leaves:#?}"), |(_, value)| value)
}

/// The value of an environment variable of the container.
pub fn variable<'a>(leaves: &'a [(String, String)], name: &str) -> &'a str {
    let at = leaves
        .iter()
        .position(|(_, value)| value == name)
        .unwrap_or_else(|| panic!("no variable `{name}`"));
    leaves.get(at + 1).map_or("", |(_, value)| value)
}

/// Arguments that set `extraEnv`.
pub struct Env(Vec<String>);

pub fn env(variables: &[(&str, &str)]) -> Env {
    let set = variables
        .iter()
        .enumerate()
        .flat_map(|(at, (name, value))| {
            [
                "--set-string".to_owned(),
                format!("extraEnv[{at}].name={name},extraEnv[{at}].value={value}"),
            ]
        });
    Env(set.collect())
}

impl Env {
    pub fn arguments(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}
