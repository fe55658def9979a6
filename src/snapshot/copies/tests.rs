//! Which tables get a copy, launch by launch: each launch stores what it planned, as the program does.

use headwater_actors::{
    checkpoint::OrderingKey,
    progress::{Home, Resume},
    snapshot::SnapshotRules,
};
use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::{FileName, Position},
};

use super::*;
use crate::snapshot::RunPlan;

fn table(name: &str) -> TableName {
    let (database, table) = name.split_once('.').unwrap();
    TableName {
        database: database.to_owned(),
        table: table.to_owned(),
    }
}

fn filter(patterns: &[&str]) -> TableFilter {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    TableFilter::new(&patterns).unwrap()
}

/// One pipeline over its launches.
struct Pipeline {
    sent: Vec<&'static str>,
    copied: Vec<&'static str>,
    runs: Vec<(&'static str, &'static str, Option<&'static str>)>,
    server: Vec<&'static str>,
    stored: Option<Checkpoint>,
}

impl Pipeline {
    fn new(sent: &[&'static str], copied: &[&'static str], server: &[&'static str]) -> Self {
        Self {
            sent: sent.to_vec(),
            copied: copied.to_vec(),
            runs: Vec::new(),
            server: server.to_vec(),
            stored: None,
        }
    }

    fn plan(&self) -> SnapshotPlan {
        let run = |(name, tables, condition): &(&str, &str, Option<&str>)| RunPlan {
            name: (*name).into(),
            tables: filter(&[tables]),
            condition: condition.map(Into::into),
            target: None,
        };
        SnapshotPlan {
            tables: (!self.copied.is_empty()).then(|| filter(&self.copied)),
            runs: self.runs.iter().map(run).collect(),
            rules: SnapshotRules {
                parallel: 2,
                rows_per_sec_max: 0,
            },
            threads_running_max: 0,
            replica_lag_secs_max: 0,
        }
    }

    /// What is being copied behind a launch, as `RUN:TABLE`.
    fn launch(&mut self) -> Vec<String> {
        let (sent, plan) = (filter(&self.sent), self.plan());
        let tables: Vec<TableName> = self.server.iter().map(|name| table(name)).collect();
        let mut resume = match &self.stored {
            Some(stored) => stored.resume.clone(),
            None => Resume::at(
                Position::new(FileName::parse("b.000001").unwrap(), 4),
                GtidSet::default(),
            ),
        };
        let before = self.stored.as_ref();
        resume.snapshots = plan_copies(before, resume.snapshots, &sent, &plan, &tables);
        self.stored = Some(Checkpoint {
            name: "shop".to_owned(),
            server_id: 1,
            home: Home {
                server_uuid: Uuid([7; 16]),
                epoch: 1,
            },
            resume,
            ordering: OrderingKey::Table,
            tables: sent.patterns().into(),
            snapshot_tables: plan.patterns().into(),
            drained: true,
            parked: Arc::default(),
        });
        self.going_on()
    }

    fn snapshots(&mut self) -> &mut Snapshots {
        &mut self.stored.as_mut().unwrap().resume.snapshots
    }

    fn going_on(&mut self) -> Vec<String> {
        let copies = self.snapshots().copies.iter();
        let open = copies.filter(|(_, copy)| !copy.state.is_over());
        open.map(|(id, _)| format!("{}:{}", id.run, id.table))
            .collect()
    }

    fn complete_all(&mut self) {
        for copy in Arc::make_mut(&mut self.snapshots().copies).values_mut() {
            copy.state = CopyState::Complete;
        }
    }
}

#[test]
fn a_first_start_copies_what_both_lists_take_and_the_next_goes_on() {
    let server = ["shop.a", "shop.b", "shop.log", "crm.a"];
    let mut pipeline = Pipeline::new(&["shop.*"], &["*.*", "!*.log"], &server);
    assert_eq!(pipeline.launch(), ["tables:shop.a", "tables:shop.b"]);
    assert_eq!(pipeline.snapshots().attempt, 1);
    assert_eq!(pipeline.launch(), ["tables:shop.a", "tables:shop.b"]);
    assert_eq!(pipeline.snapshots().attempt, 2);
    pipeline.complete_all();
    assert!(pipeline.launch().is_empty());
    // Also where all is over: a copy may be asked for, and forgotten by a crash.
    assert_eq!(pipeline.snapshots().attempt, 3);
}

#[test]
fn without_a_list_nothing_is_copied() {
    let mut pipeline = Pipeline::new(&["*.*"], &[], &["shop.a"]);
    assert!(pipeline.launch().is_empty());
    assert!(pipeline.snapshots().copies.is_empty());
}

#[test]
fn a_table_that_is_added_to_either_list_is_copied_at_the_next_start() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["shop.a"], &["shop.a", "shop.b", "crm.c"]);
    pipeline.launch();
    pipeline.complete_all();
    pipeline.copied = vec!["*.*"];
    assert_eq!(pipeline.launch(), ["tables:shop.b"]);
    pipeline.complete_all();
    pipeline.sent = vec!["shop.*", "crm.*"];
    assert_eq!(pipeline.launch(), ["tables:crm.c"]);
}

#[test]
fn a_pipeline_that_ran_without_a_list_copies_when_it_gets_one() {
    let mut pipeline = Pipeline::new(&["shop.*"], &[], &["shop.a"]);
    pipeline.launch();
    pipeline.copied = vec!["shop.*"];
    assert_eq!(pipeline.launch(), ["tables:shop.a"]);
}

#[test]
fn a_table_that_is_created_later_is_not_copied() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["shop.*"], &["shop.a"]);
    pipeline.launch();
    pipeline.server.push("shop.later");
    assert_eq!(pipeline.launch(), ["tables:shop.a"]);
    pipeline.complete_all();
    assert!(pipeline.launch().is_empty());
}

#[test]
fn a_table_that_was_left_out_for_a_time_is_copied_again() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["*.*"], &["shop.a", "shop.b"]);
    pipeline.launch();
    pipeline.complete_all();
    pipeline.sent = vec!["shop.a"];
    assert!(pipeline.launch().is_empty());
    pipeline.sent = vec!["shop.*"];
    assert_eq!(pipeline.launch(), ["tables:shop.b"]);
}

#[test]
fn a_copy_of_a_table_that_is_left_out_ends() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["*.*"], &["shop.a", "shop.b"]);
    pipeline.launch();
    pipeline.sent = vec!["shop.b"];
    assert_eq!(pipeline.launch(), ["tables:shop.b"]);
    let copies = Arc::clone(&pipeline.snapshots().copies);
    let left = copies.values().find(|copy| copy.note.is_some()).unwrap();
    assert_eq!(left.state, CopyState::Cancelled);
}

#[test]
fn a_run_is_run_once_by_its_name_and_another_name_runs_it_again() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["shop.a"], &["shop.a", "shop.b"]);
    pipeline.runs = vec![("fix", "shop.*", Some("id > 7"))];
    assert_eq!(
        pipeline.launch(),
        ["fix:shop.a", "fix:shop.b", "tables:shop.a"]
    );
    let copies = Arc::clone(&pipeline.snapshots().copies);
    assert_eq!(
        copies.values().next().unwrap().condition.as_deref(),
        Some("id > 7")
    );
    pipeline.complete_all();
    pipeline.server.push("shop.c");
    assert!(pipeline.launch().is_empty());
    pipeline.runs = vec![("again", "shop.c", None)];
    assert_eq!(pipeline.launch(), ["again:shop.c"]);
}

#[test]
fn a_run_that_takes_no_table_yet_waits_and_is_told() {
    let mut pipeline = Pipeline::new(&["shop.*"], &["shop.a"], &["shop.a"]);
    pipeline.runs = vec![("fix", "shop.z*", None)];
    assert_eq!(pipeline.launch(), ["tables:shop.a"]);
    let tables: Vec<TableName> = pipeline.server.iter().map(|name| table(name)).collect();
    let told = ensure_matched(&pipeline.plan(), &filter(&pipeline.sent), &tables);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("snapshot.runs[0].tables"), "{told:?}");
    pipeline.server.push("shop.zoo");
    assert_eq!(pipeline.launch(), ["fix:shop.zoo", "tables:shop.a"]);
}
