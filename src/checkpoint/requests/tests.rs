//! Requests in a file and in a table: numbers rise, what was followed goes, limits hold.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{plan::Plan, settings::Layers};

fn table(name: &str) -> TableName {
    TableName {
        database: "shop".to_owned(),
        table: name.to_owned(),
    }
}

fn start(run: &str) -> Wish {
    Wish::Start {
        run: run.into(),
        condition: Some("id > 7".into()),
    }
}

fn file_plan(folder: &std::path::Path) -> CheckpointPlan {
    let sets = [format!(
        "checkpoint.file.path={}",
        folder.join("c").display()
    )];
    let layers = Layers {
        sets: &sets,
        ..Layers::default()
    };
    let plan = Plan::from_settings(&layers.load().unwrap()).unwrap();
    plan.checkpoint
}

#[tokio::test]
async fn requests_beside_a_file_are_read_in_their_order_by_who_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plan(folder.path());
    let running = requests(&plan, "shop");
    assert!(running.behind(0).await.unwrap().is_empty());
    let tables = vec![table("a"), table("b.c")];
    let first = ask(&plan, "shop", 0, (start("fix"), tables.clone())).await;
    assert_eq!(first.unwrap(), 1);
    let second = ask(&plan, "shop", 0, (Wish::Pause, Vec::new())).await;
    assert_eq!(second.unwrap(), 2);
    let found = running.behind(0).await.unwrap();
    assert_eq!((&found[0].wish, &found[0].tables), (&start("fix"), &tables));
    assert_eq!((found[1].number, &found[1].wish), (2, &Wish::Pause));
    assert_eq!(running.behind(1).await.unwrap().len(), 1);
    let path = folder.path().join("c.requests");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_was_followed_goes_with_the_next_request_and_numbers_rise_on() {
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plan(folder.path());
    for _ in 0..3 {
        let asked = ask(&plan, "shop", 0, (Wish::Pause, Vec::new())).await;
        asked.unwrap();
    }
    let asked = ask(&plan, "shop", 2, (Wish::Resume, Vec::new())).await;
    assert_eq!(asked.unwrap(), 4);
    let waiting_now = waiting(&plan, "shop", 0).await.unwrap();
    let numbers: Vec<u64> = waiting_now.iter().map(|request| request.number).collect();
    assert_eq!(numbers, [3, 4]);
    forget(&plan, "shop", 4).await.unwrap();
    assert!(waiting(&plan, "shop", 0).await.unwrap().is_empty());
    // Also when the file is lost: the checkpoint knows the newest number.
    std::fs::remove_file(folder.path().join("c.requests")).unwrap();
    let asked = ask(&plan, "shop", 4, (Wish::Resume, Vec::new())).await;
    assert_eq!(asked.unwrap(), 5);
}

#[tokio::test]
async fn commands_at_the_same_moment_lose_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plan(folder.path());
    let asking = (0..8).map(|_| {
        let plan = plan.clone();
        tokio::spawn(async move { ask(&plan, "shop", 0, (Wish::Cancel, Vec::new())).await })
    });
    let mut numbers = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        numbers.push(asked.await.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(1..=8));
}

#[tokio::test]
async fn more_than_is_kept_is_refused_and_what_waits_stays() {
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plan(folder.path());
    let many = (0..20_000).map(|number| table(&format!("t{number}")));
    let asked = ask(&plan, "shop", 0, (Wish::Cancel, many.collect())).await;
    assert!(asked.unwrap_err().to_string().contains("262144"));
    for _ in 0..100 {
        let asked = ask(&plan, "shop", 0, (Wish::Cancel, Vec::new())).await;
        asked.unwrap();
    }
    let asked = ask(&plan, "shop", 0, (Wish::Cancel, Vec::new())).await;
    assert!(asked.unwrap_err().to_string().contains("wait already"));
    assert_eq!(waiting(&plan, "shop", 0).await.unwrap().len(), 100);
}

#[tokio::test]
async fn requests_that_cannot_be_read_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plan(folder.path());
    for text in ["{", "{\"version\":2,\"last\":1,\"requests\":[]}"] {
        std::fs::write(folder.path().join("c.requests"), text).unwrap();
        let failure = requests(&plan, "shop").behind(0).await.unwrap_err();
        assert!(failure.hint.unwrap().contains("headwater snapshot"));
    }
}

#[test]
fn the_row_beside_a_pipelines_own_has_a_name_that_fits() {
    assert_eq!(row_name("shop"), "/shop");
    let (one, other) = ("a".repeat(64), format!("{}b", "a".repeat(63)));
    assert_eq!(row_name(&one).len(), NAME_BYTES_MAX);
    assert_ne!(row_name(&one), row_name(&other));
}
