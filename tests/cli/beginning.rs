//! What comes before the work: texts of settings, signals, limits of the process.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::Run;

#[test]
fn settings_come_from_the_environment_several_files_and_standard_input_in_this_order() {
    let run = Run::with(&[(
        "HEADWATER_CONFIG",
        "[workers]\nthreads = 2\n[source]\nstart = \"earliest\"\n[sink]\ntype = \"null\"\n",
    )]);
    run.write(
        "a.toml",
        "[workers]\nthreads = 3\n[sink]\ntype = \"file\"\n",
    );
    let arguments = ["config", "-c", "a.toml", "-c", "-"];
    let ended = run.headwater_fed(&arguments, "[sink]\ntype = \"stdout\"\n");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for line in [
        "start = \"earliest\" # environment HEADWATER_CONFIG line 4",
        "threads = 3 # \"a.toml\" line 2",
        "type = \"stdout\" # standard input line 2",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn a_text_of_settings_that_is_wrong_is_named_without_its_content() {
    let run = Run::with(&[("HEADWATER_CONFIG", "url = secret")]);
    let refused = run.headwater(&["config"]).refused();
    assert!(
        refused.contains("environment HEADWATER_CONFIG line 1"),
        "{refused}"
    );
    assert!(!refused.contains("secret"), "{refused}");
    let refused = Run::new().headwater(&["config", "-c", "-", "-c", "-"]);
    let refused = refused.refused();
    assert!(refused.contains("-c - is given twice"), "{refused}");
}

#[test]
fn health_needs_only_where_the_process_listens_and_says_that_nobody_does() {
    let run = Run::with(&[("HEADWATER__TELEMETRY__LISTEN", "127.0.0.1:1")]);
    let ended = run.headwater(&["health"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("http://127.0.0.1:1/livez"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("hint: check that `headwater run`"),
        "{}",
        ended.stderr
    );
    let refused = run.headwater(&["health", "--ready", "--set", "telemetry.listen="]);
    assert!(refused.refused().contains("telemetry.listen is empty"));
}

/// The settings are a pipe: it can be opened when the program is about to read them, and is given nothing before
/// the signal.
#[test]
fn a_signal_before_the_settings_are_read_ends_the_program_in_order() {
    for signal in ["TERM", "INT", "HUP"] {
        let run = Run::new();
        let pipe = run.folder.path().join("h.toml");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let program = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["run", "-c", "h.toml"])
            .current_dir(run.folder.path())
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut settings = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        let id = program.id().to_string();
        let killed = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &id])
            .status()
            .unwrap();
        assert!(killed.success());
        settings
            .write_all(b"source.url = \"mysql://me@127.0.0.1:1\"\nsink.type = \"null\"\ntelemetry.listen = \"\"\n")
            .unwrap();
        drop(settings);
        let ended = program.wait_with_output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "SIG{signal}: {text}");
    }
}

#[test]
fn too_few_open_files_are_refused_in_a_sentence() {
    let run = Run::new();
    run.write(
        "h.toml",
        "source.url = \"mysql://me@127.0.0.1:1\"\nsink.type = \"null\"\n",
    );
    for command in ["run", "check"] {
        let ended = Command::new("sh")
            .args(["-c", "ulimit -n 20; exec \"$@\"", "sh"])
            .args([env!("CARGO_BIN_EXE_headwater"), command, "-c", "h.toml"])
            .current_dir(run.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{command}: {text}");
        assert!(text.contains("may have 20 files open"), "{text}");
        assert!(text.contains("hint: raise the limit"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}
