//! `snapshot` without a server: what the checkpoint knows is shown, what is asked stands beside it.

use headwater_actors::snapshot::{CopyId, CopyState, TableCopy};
use headwater_binlog::schema::TableName;
use serde_json::Value;

use super::{Run, checkpoint};

fn add(checkpoint: &mut super::Checkpoint, table: &str, copy: TableCopy) {
    let id = CopyId {
        run: "tables".into(),
        table: TableName {
            database: "shop".to_owned(),
            table: table.to_owned(),
        },
    };
    checkpoint.resume.snapshots.add(id, copy);
}

/// A pipeline that copies one table and has copied another.
fn copying() -> Run {
    let run = Run::new();
    let mut stored = checkpoint();
    let done = TableCopy {
        state: CopyState::Complete,
        rows: 1_200_000,
        begun_us: 1_000_000,
        ended_us: 5_000_000,
        ..TableCopy::new(None)
    };
    add(&mut stored, "orders", done);
    let going = TableCopy {
        rows: 10,
        rows_estimate: 100,
        begun_us: 1_000_000,
        ..TableCopy::new(None)
    };
    add(&mut stored, "parts", going);
    stored.resume.snapshots.request = 4;
    run.save(stored);
    run
}

fn json(run: &Run) -> Value {
    let text = run.headwater(&["snapshot", "status", "--json"]).printed();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn status_tells_each_copy_and_that_there_is_none() {
    let none = Run::new().headwater(&["snapshot", "status"]).printed();
    assert!(none.starts_with("nothing is copied"), "{none}");
    let run = copying();
    let text = run.headwater(&["snapshot", "status"]).printed();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("RUN"), "{text}");
    assert!(lines[1].contains("1,200,000  ██████████ 100%"), "{text}");
    assert!(lines[2].contains("~10%"), "{text}");
    let found = json(&run);
    assert_eq!(found["copies"][0]["table"], "shop.orders");
    assert_eq!(found["copies"][1]["state"], "active");
}

#[test]
fn what_is_asked_waits_beside_the_checkpoint_behind_what_was_followed() {
    let run = copying();
    let said = run.headwater(&["snapshot", "pause"]).printed();
    assert!(said.starts_with("request 5: pause shop.parts\n"), "{said}");
    let said = run.headwater(&["snapshot", "cancel", "shop.p*"]).printed();
    assert!(said.starts_with("request 6: cancel shop.parts\n"), "{said}");
    let found = json(&run);
    assert_eq!(found["requests"][0]["number"], 5);
    assert_eq!(found["requests"][0]["tables"], Value::Array(Vec::new()));
    assert_eq!(found["requests"][1]["tables"][0], "shop.parts");
    assert!(
        run.folder
            .path()
            .join("headwater.checkpoint.requests")
            .exists()
    );
}

#[test]
fn a_copy_that_is_over_or_unknown_cannot_be_turned() {
    let run = copying();
    for table in ["shop.orders", "shop.z*", "orders"] {
        let ended = run.headwater(&["snapshot", "cancel", table]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    }
    let ended = Run::new().headwater(&["snapshot", "resume"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("no copy is on its way"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_wrong_name_or_condition_is_wrong_usage() {
    let run = Run::new();
    for arguments in [
        &["snapshot", "start"][..],
        &["snapshot", "start", "shop.a", "--run", "tables"],
        &["snapshot", "start", "shop.a", "--run", "a:b"],
        &["snapshot", "start", "shop.a", "--where", " "],
    ] {
        assert_eq!(run.headwater(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn what_was_followed_is_not_followed_again_once_the_position_is_cleared() {
    let run = copying();
    run.headwater(&["snapshot", "pause"]).printed();
    let mut stored = checkpoint();
    stored.resume.snapshots.request = 5;
    run.save(stored);
    run.headwater(&["position", "clear"]).printed();
    assert_eq!(json(&run)["requests"], Value::Array(Vec::new()));
}
