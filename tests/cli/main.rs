//! The built program as an operator meets it: exit codes, messages, printed settings, the stored position.
//!
//! Nothing here needs a server. Each test runs the binary in its own folder and environment.

#![allow(clippy::unwrap_used)] // the lint's exception for tests does not reach their own functions

mod beginning;
mod snapshots;
mod verify;

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use headwater::{
    checkpoint::file::FileStore,
    plan::Plan,
    settings::{DEFAULT_TOML, Document, Layers},
};
use headwater_actors::{
    checkpoint::{Checkpoint, OrderingKey},
    ports::store::CheckpointStore,
    progress::{Home, Resume},
};

const UUID: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";

struct Run {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    fn with(environment: &[(&'static str, &'static str)]) -> Self {
        Self {
            environment: environment.to_vec(),
            ..Self::new()
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn headwater(&self, arguments: &[&str]) -> Ended {
        self.headwater_fed(arguments, "")
    }

    /// With `input` on standard input.
    fn headwater_fed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        match stdin.write_all(input.as_bytes()) {
            // It may end without having read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => (),
            written => written.unwrap(),
        }
        drop(stdin);
        let output: Output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `check` with a settings file that is wrong: what stands on stderr.
    fn refusal(&self, file: &str) -> String {
        self.write("h.toml", file);
        let ended = self.headwater(&["check", "-c", "h.toml"]);
        ended.refused()
    }

    fn store(&self) -> FileStore {
        FileStore::open(
            &self.folder.path().join("headwater.checkpoint"),
            "headwater",
        )
        .unwrap()
    }

    fn save(&self, checkpoint: Checkpoint) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(self.store().save(checkpoint)).unwrap();
    }
}

impl Ended {
    fn refused(self) -> String {
        assert_eq!(self.code, 2, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        assert!(!self.stderr.contains("backtrace"), "{}", self.stderr);
        self.stderr
    }

    fn printed(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        assert_eq!(self.stderr, "");
        self.stdout
    }
}

fn checkpoint() -> Checkpoint {
    let gtid_set = format!("{UUID}:1-5").parse().unwrap();
    let mut resume = Resume::at("binlog.000012:2401".parse().unwrap(), gtid_set);
    resume.commit_us = 1_795_416_214_123_456;
    Checkpoint {
        name: "headwater".to_owned(),
        server_id: 77,
        home: Home {
            server_uuid: UUID.parse().unwrap(),
            epoch: 3,
        },
        resume,
        ordering: OrderingKey::Table,
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: true,
        parked: Default::default(),
    }
}

#[test]
fn help_names_all_commands_and_how_to_begin() {
    let help = Run::new().headwater(&["--help"]).printed();
    for text in [
        "run",
        "check",
        "replay",
        "position",
        "config",
        "--config",
        "--set",
        "Examples:",
        "Exit codes:",
        "HEADWATER__SECTION__KEY",
    ] {
        assert!(help.contains(text), "{text}: {help}");
    }
    let help = Run::new().headwater(&["run", "--help"]).printed();
    assert!(help.contains("--until"), "{help}");
    let version = Run::new().headwater(&["--version"]).printed();
    assert_eq!(
        version,
        format!("headwater {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["run", "--util", "now"],
        &["run", "--until", "tomorrow"],
        &["replay"],
        &["position"],
        &["position", "set", "nowhere"],
    ] {
        let ended = Run::new().headwater(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let refusal = Run::new().refusal("[sink.kinesis]\nstraem = \"s\"\n");
    assert_eq!(
        refusal,
        "error: unknown key `sink.kinesis.straem` (\"h.toml\" line 2); did you mean `sink.kinesis.stream`?\n"
    );
    let run = Run::with(&[("HEADWATER__SOURCE__ULR", "mysql://u:hunter2@h")]);
    let refusal = run.headwater(&["check"]).refused();
    assert!(
        refusal.contains("did you mean `HEADWATER__SOURCE__URL`?"),
        "{refusal}"
    );
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn a_wrong_type_names_key_found_and_expected() {
    let refusal = Run::new().refusal("[shutdown]\ngrace_secs = \"soon\"\n");
    assert!(
        refusal.contains("`shutdown.grace_secs`")
            && refusal.contains("found a string, expected a whole number"),
        "{refusal}"
    );
}

#[test]
fn a_wrong_route_is_refused_with_its_number_and_line() {
    let route = "[[routes]]\ntables = [\"a.*\"]\n";
    let refusal = Run::new().refusal(&format!("{route}packing.tipe = \"kpl\"\n"));
    assert!(
        refusal.contains("`routes[0].packing.tipe` (\"h.toml\" line 3)")
            && refusal.contains("did you mean `routes[0].packing.type`?"),
        "{refusal}"
    );
    let refusal = Run::new().refusal(&format!("{route}packing.type = \"kpl\"\n"));
    assert!(
        refusal.contains(
            "setting `routes[0].packing.type` (\"h.toml\" line 3): \"kpl\" is for Kinesis"
        ),
        "{refusal}"
    );
}

#[test]
fn a_bad_url_is_refused_without_its_password() {
    let refusal = Run::new().refusal("[source]\nurl = \"mysql://u:hunter2@h:port\"\n");
    assert!(
        refusal.contains("`source.url`") && refusal.contains("\"h.toml\" line 2"),
        "{refusal}"
    );
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn a_missing_stream_is_refused_with_the_remedy() {
    let refusal = Run::new().refusal("[sink]\ntype = \"kinesis\"\n");
    assert!(
        refusal.contains("`sink.kinesis.stream` (default): is empty; name the stream"),
        "{refusal}"
    );
}

#[test]
fn no_tables_are_refused() {
    let refusal = Run::new().refusal("[source]\ntables = []\n");
    assert!(
        refusal.contains("`source.tables`") && refusal.contains("*.*"),
        "{refusal}"
    );
}

#[test]
fn settings_that_are_not_toml_are_refused_with_the_line() {
    let refusal = Run::new().refusal("[source]\n\nurl = \"mysql://u:hunter2@h\n");
    assert!(refusal.contains("\"h.toml\" line 3: not TOML"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
    let refusal = Run::new().headwater(&["run", "-c", "none.toml"]).refused();
    assert!(
        refusal.contains("\"none.toml\": cannot be read"),
        "{refusal}"
    );
}

#[test]
fn the_reference_is_the_file_itself() {
    let printed = Run::new().headwater(&["config", "--default"]).printed();
    assert_eq!(
        printed,
        fs::read_to_string(config_folder().join("default.toml")).unwrap()
    );
    assert_eq!(printed, DEFAULT_TOML);
}

#[test]
fn the_effective_settings_hide_secrets_and_name_origins() {
    let run = Run::with(&[
        ("HEADWATER__SOURCE__PASSWORD", "hunter2"),
        ("HEADWATER__SHUTDOWN__GRACE_SECS", "9"),
    ]);
    run.write(
        "h.toml",
        "[source]\nurl = \"mysql://u:swordfish@db\"\n[shutdown]\ngrace_secs = 8\n",
    );
    let printed = run
        .headwater(&["config", "-c", "h.toml", "--set", "workers.threads=3"])
        .printed();
    assert!(
        !printed.contains("hunter2") && !printed.contains("swordfish"),
        "{printed}"
    );
    assert!(
        printed.contains("url = \"mysql://u:***@db\" # \"h.toml\" line 2"),
        "{printed}"
    );
    assert!(
        printed.contains("grace_secs = 9 # environment HEADWATER__SHUTDOWN__GRACE_SECS"),
        "{printed}"
    );
    assert!(printed.contains("threads = 3 # --set"), "{printed}");
}

#[test]
fn a_password_in_two_places_is_refused() {
    let run = Run::with(&[("HEADWATER__SOURCE__PASSWORD", "hunter2")]);
    let refusal = run.refusal("[source]\nurl = \"mysql://u:swordfish@db\"\n");
    assert!(refusal.contains("keep one of them"), "{refusal}");
    assert!(
        !refusal.contains("hunter2") && !refusal.contains("swordfish"),
        "{refusal}"
    );
}

#[test]
fn the_position_is_shown_and_cleared() {
    let run = Run::new();
    let text = run.headwater(&["position", "show"]).printed();
    assert!(text.contains("no position is stored"), "{text}");
    run.save(checkpoint());
    let held = run.store();
    let text = run.headwater(&["position", "show"]).printed();
    assert!(
        text.contains("binlog.000012:2401") && text.contains("2026-11-23"),
        "{text}"
    );
    let text = run.headwater(&["position", "show", "--json"]).printed();
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["position"], "binlog.000012:2401");
    assert_eq!(shown["gtid_set"], format!("{UUID}:1-5"));
    assert_eq!(shown["server_uuid"], UUID);
    assert_eq!(shown["epoch"], 3);
    assert_eq!(shown["drained"], true);
    assert!(shown["age_secs"].is_u64());

    let ended = run.headwater(&["position", "clear"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("locked") && ended.stderr.contains("hint: "),
        "{}",
        ended.stderr
    );
    drop(held);
    let text = run.headwater(&["position", "clear"]).printed();
    assert!(text.contains("epoch 3 is kept"), "{text}");
    let text = run.headwater(&["position", "show", "--json"]).printed();
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&shown["position"], &shown["epoch"]),
        (&serde_json::Value::Null, &3.into())
    );
}

#[test]
fn a_damaged_checkpoint_is_refused_with_what_to_do() {
    let run = Run::new();
    run.save(checkpoint());
    let path = run.folder.path().join("headwater.checkpoint");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("2401", "2402")).unwrap();
    let ended = run.headwater(&["position", "show"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("is damaged: its checksum"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("hint: restore the file"),
        "{}",
        ended.stderr
    );
}

fn config_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

#[test]
fn every_file_in_config_is_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let mut files = 0;
    for entry in fs::read_dir(config_folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // A mounted secret is the one thing that an example cannot bring along.
        let sets = if text.contains("password_file = \"/") {
            vec![format!("source.password_file={}", password.display())]
        } else {
            Vec::new()
        };
        let layers = Layers {
            documents: vec![Document::of_argument(&path)],
            sets: &sets,
            ..Layers::default()
        };
        let loaded = layers.load().unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan::from_settings(&loaded);
        assert!(plan.is_ok(), "{}: {plan:?}", path.display());
        files += 1;
    }
    assert!(files >= 5, "{files} files");
}

#[test]
fn dead_letters_of_a_version_that_described_the_columns_one_by_one_are_still_replayed() {
    let run = Run::new();
    run.write("h.toml", "[sink]\ntype = \"stdout\"\n");
    let letters = include_str!("../recorded/dead-letters-of-columns.jsonl");
    run.write("letters.jsonl", letters);
    let source = [
        "--set",
        "source.url=mysql://me@db",
        "--set",
        "source.tables=shop.*",
    ];
    let arguments = [
        &["replay-dead-letters", "-c", "h.toml"][..],
        &source,
        &["letters.jsonl"],
    ];
    let ended = run.headwater(&arguments.concat());
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let lines: Vec<_> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let expected = include_str!("../recorded/dead-letters-of-columns.lines");
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
}
