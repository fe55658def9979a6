//! `resume-table`: one parked table alone, from its place in the log up to the pipeline's own position.
//!
//! The same pipeline runs, for that table only, and ends exactly where the others are, also inside a
//! transaction. Its progress goes into the table's entry of the checkpoint, never into the position, so a
//! kill repeats little and loses nothing; the entry goes when the two meet, in one write. The store is ours
//! for that time: the pipeline must not run. What still cannot be delivered leaves the table parked there.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use headwater_actors::{
    checkpoint::{Checkpoint, Parked},
    failure::Failure,
    on_error::{OnError, Policy},
    ports::{
        BoxFuture,
        launcher::{Launch, Launcher},
        store::{CheckpointStore, LastEnd, Stored},
    },
    printable::printable,
    progress::Home,
    reading::Until,
    selection::Selection,
    snapshot::Snapshots,
    supervisor::End,
};
use headwater_binlog::schema::TableName;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Signals, Task, drive,
    launch::{ensure_ordering, ensure_source},
    outputs::{self, Outputs},
    routes::GenerationRoutes,
    system,
};
use crate::{
    checkpoint::{self, LeaseEvent, Opened},
    exit::Exit,
    lease::gate::LeaseGate,
    mysql::{self, Identity, MySqlSource},
    plan::Plan,
    telemetry::{Telemetry, logs},
    terminal,
};

/// Delivers what the table missed and ends its being parked.
pub fn resume_table(plan: Plan, table: &str) -> anyhow::Result<Exit> {
    logs::start(plan.telemetry.log_format)?;
    let gate = checkpoint::gate(&plan.checkpoint);
    let outputs = Arc::new(Outputs::new(&plan, &gate)?);
    let exit = system::start()?.block_on(async {
        let mut opened = open(&plan, &gate).await?;
        let exit = resume(&plan, table, &mut opened, Arc::clone(&outputs)).await;
        // Also after a failure: the pipeline need not wait for the lease to run out.
        opened.give_back().await;
        exit
    });
    // Its threads must not end on one of theirs.
    drop(outputs);
    exit
}

async fn resume(
    plan: &Plan,
    table: &str,
    opened: &mut Opened,
    outputs: Arc<Outputs>,
) -> anyhow::Result<Exit> {
    let stored = opened.store.load().await?;
    let (main, parked) = find(&stored, table)?;
    let store = Arc::clone(&opened.store);
    let entry = Arc::new(EntryStore::new(store, main, parked.table));
    let events = opened.take_events();
    let end = stream(plan, Arc::clone(&entry), outputs, events).await?;
    finish(&entry, end).await
}

/// Forgets what the table missed: it goes on at the pipeline's position.
pub fn discard_parked(plan: &Plan, table: &str) -> anyhow::Result<Exit> {
    system::start()?.block_on(async move {
        let opened = open(plan, &checkpoint::gate(&plan.checkpoint)).await?;
        let exit = discard(table, &opened).await;
        opened.give_back().await;
        exit
    })
}

async fn discard(table: &str, opened: &Opened) -> anyhow::Result<Exit> {
    let stored = opened.store.load().await?;
    let (main, parked) = find(&stored, table)?;
    let entry = EntryStore::new(Arc::clone(&opened.store), main, parked.table.clone());
    entry.remove(Snapshots::begin_again).await?;
    terminal::line(&format!(
        "table \"{}\" is no longer parked; its changes between {} and {} are not delivered: copy the table anew",
        parked.table,
        parked.resume.mark.position,
        entry.main().resume.mark.position
    ))?;
    Ok(Exit::Success)
}

async fn open(plan: &Plan, gate: &LeaseGate) -> Result<Opened, Failure> {
    let opened = checkpoint::open_gated(&plan.checkpoint, &plan.name, gate).await;
    opened.map_err(|failure| failure.within("a table is resumed while the pipeline stands still"))
}

fn find(stored: &Stored, table: &str) -> Result<(Checkpoint, Parked), Failure> {
    let Some(main) = &stored.checkpoint else {
        return Err(Failure::definite(
            "no position is stored, so no table is parked",
        ));
    };
    let by_name = |shown: fn(&str) -> Cow<'_, str>| {
        let mut parked = main.parked.iter();
        parked.find(|parked| shown(&parked.table.to_string()) == table)
    };
    // As it is called, or as `position show` lists it.
    let found =
        by_name(|name| Cow::Borrowed(name)).or_else(|| by_name(|name| printable(name, usize::MAX)));
    if let Some(parked) = found {
        return Ok((main.clone(), parked.clone()));
    }
    let tables: Vec<String> = main
        .parked
        .iter()
        .map(|parked| parked.table.to_string())
        .collect();
    let tables = match tables.is_empty() {
        true => "no table is".to_owned(),
        false => format!("these are: {}", tables.join(", ")),
    };
    let failure = Failure::definite(format!("table \"{table}\" is not parked; {tables}"));
    Err(failure.with_hint("`headwater position show` lists parked tables"))
}

async fn stream(
    plan: &Plan,
    entry: Arc<EntryStore>,
    outputs: Arc<Outputs>,
    lease_events: UnboundedReceiver<LeaseEvent>,
) -> anyhow::Result<End> {
    let signals = Signals::listen().context("listen for signals")?;
    let telemetry = Telemetry::start(&plan.telemetry, &plan.name)?;
    let dead_letters = outputs::dead_letters(plan)?;
    let tables = Selection::only(plan.tables.clone(), entry.table.clone());
    let launcher = EntryLauncher {
        shared: Arc::new(Shared {
            plan: plan.clone(),
            entry: Arc::clone(&entry),
            outputs,
        }),
    };
    // It is parked already: what cannot be delivered ends the attempt.
    let still = |on_error| match on_error {
        OnError::ParkTable => OnError::Halt,
        OnError::Halt | OnError::DeadLetter => on_error,
    };
    let policy = Policy {
        oversize: still(plan.errors.oversize),
        undecodable: still(plan.errors.undecodable),
    };
    let task = Task {
        tables,
        policy,
        launcher: Arc::new(launcher),
        store: entry,
        lease_events: Some(lease_events),
        dead_letters,
        heartbeat: None,
    };
    drive(plan, task, signals, telemetry).await
}

async fn finish(entry: &EntryStore, end: End) -> anyhow::Result<Exit> {
    let (main, table) = (entry.main(), &entry.table);
    let Some(parked) = entry_of(&main, table).cloned() else {
        return Ok(Exit::Success);
    };
    match end {
        End::Drained if parked.resume.mark.has_passed(&main.resume.mark) => {
            entry.remove(Snapshots::take_back).await?;
            tracing::info!(%table, position = %main.resume.mark.position, "table resumed: it goes on with all others");
            Ok(Exit::Success)
        }
        End::Drained => {
            tracing::warn!(%table, position = %parked.resume.mark.position, "stopped on the way: the table stays parked there; resume it again");
            Ok(Exit::GraceOver)
        }
        End::Halted(failure) => {
            let reason = failure.to_string();
            let change = move |parked: &mut Parked| parked.reason = reason;
            entry.change(change).await?;
            tracing::error!(%table, position = %parked.resume.mark.position, "the table stays parked there");
            Ok(Exit::Halted)
        }
        End::GraceOver => Ok(Exit::GraceOver),
    }
}

fn entry_of<'a>(main: &'a Checkpoint, table: &TableName) -> Option<&'a Parked> {
    main.parked.iter().find(|parked| parked.table == *table)
}

/// The pipeline's store, of which one table's entry is a store for that table's pipeline.
struct EntryStore {
    inner: Arc<dyn CheckpointStore>,
    table: TableName,
    /// What was stored last, or is being stored.
    main: Mutex<Checkpoint>,
}

impl EntryStore {
    fn new(inner: Arc<dyn CheckpointStore>, main: Checkpoint, table: TableName) -> Self {
        Self {
            inner,
            table,
            main: Mutex::new(main),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Checkpoint> {
        self.main.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn main(&self) -> Checkpoint {
        self.locked().clone()
    }

    /// Of two calls the later one wins, as the store promises it.
    fn change(&self, change: impl FnOnce(&mut Parked)) -> BoxFuture<'static, Result<(), Failure>> {
        let mut main = self.locked();
        let mut parked = main.parked.to_vec();
        if let Some(entry) = parked.iter_mut().find(|parked| parked.table == self.table) {
            change(entry);
        }
        main.parked = parked.into();
        self.inner.save(main.clone())
    }

    /// Ends its being parked; `copy` says where copies of it go on, from where it was left.
    fn remove(
        &self,
        copy: fn(&mut Snapshots, &TableName, &Snapshots),
    ) -> BoxFuture<'static, Result<(), Failure>> {
        let mut main = self.locked();
        let is_it = |parked: &Parked| parked.table == self.table;
        let (parked, left): (Vec<Parked>, Vec<Parked>) =
            main.parked.iter().cloned().partition(is_it);
        main.parked = left.into();
        for parked in parked {
            let snapshots = &mut main.resume.snapshots;
            copy(snapshots, &self.table, &parked.resume.snapshots);
        }
        self.inner.save(main.clone())
    }
}

impl CheckpointStore for EntryStore {
    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        self.inner.load()
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        self.change(|parked| {
            parked.home = checkpoint.home;
            parked.resume = checkpoint.resume;
        })
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        self.remove(Snapshots::begin_again)
    }

    fn note_end(&self, end: LastEnd) -> BoxFuture<'static, Result<(), Failure>> {
        self.inner.note_end(end)
    }
}

struct EntryLauncher {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    entry: Arc<EntryStore>,
    outputs: Arc<Outputs>,
}

impl Launcher for EntryLauncher {
    fn launch(&self) -> BoxFuture<'static, Result<Launch, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.launch().await })
    }
}

impl Shared {
    /// Both places are translated to the server that answers, as a start of the pipeline would do with its own,
    /// and stored before the first event.
    async fn launch(&self) -> Result<Launch, Failure> {
        let plan = &self.plan;
        let stored = self.entry.load().await?;
        ensure_source(plan, &stored).await?;
        self.outputs.connect().await?;
        let main = here(plan, self.entry.main()).await?;
        let Some(parked) = entry_of(&main, &self.entry.table) else {
            return Err(Failure::definite("the table is no longer parked"));
        };
        let home = Home {
            server_uuid: parked.home.server_in(main.home.epoch),
            epoch: parked.home.epoch,
        };
        let start = mysql::resume(&plan.source, home, &parked.resume).await;
        let start = start.map_err(|failure| lost(&self.entry.table, failure))?;
        if start.home.server_uuid != main.home.server_uuid {
            return Err(Failure::transient("two servers answered in turn"));
        }
        let from = Checkpoint {
            name: main.name.clone(),
            server_id: main.server_id,
            home: main.home,
            resume: start.resume,
            ordering: plan.ordering.clone(),
            tables: Arc::clone(&main.tables),
            snapshot_tables: Arc::clone(&main.snapshot_tables),
            drained: false,
            parked: Arc::default(),
        };
        let until = Until::Mark(main.resume.mark.clone());
        *self.entry.locked() = main;
        self.entry.save(from.clone()).await?;
        let name_case = mysql::name_case(&plan.source).await?;
        let identity = Identity {
            name: plan.name.clone(),
            server_id: from.server_id,
            server_uuid: from.home.server_uuid,
        };
        let outputs = Arc::clone(&self.outputs);
        Ok(Launch {
            routes: Arc::new(GenerationRoutes::new(plan, outputs, from.home.server_uuid)),
            snapshots: None,
            source: Arc::new(MySqlSource::new(plan.source.clone(), identity)),
            name_case,
            until,
            from,
        })
    }
}

/// The pipeline's own position on the server that answers.
async fn here(plan: &Plan, mut main: Checkpoint) -> Result<Checkpoint, Failure> {
    ensure_ordering(plan, &main)?;
    let start = mysql::resume(&plan.source, main.home, &main.resume).await?;
    if start.home.server_uuid != main.home.server_uuid {
        (main.home, main.resume) = (start.home, start.resume);
    }
    Ok(main)
}

fn lost(table: &TableName, failure: Failure) -> Failure {
    if !failure.is_definite() {
        return failure;
    }
    failure.within(format!("parked table \"{table}\"")).with_hint(format!(
        "copy the table anew, then run `headwater resume-table {table} --discard`: it goes on at the pipeline's position"
    ))
}
