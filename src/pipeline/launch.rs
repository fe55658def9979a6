//! What happens before a generation reads: preflight, the sink, the start or the stored position, the epoch;
//! all of it stored before the first event.

use std::{
    path::PathBuf,
    sync::{Arc, Once},
};

use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    ports::{
        BoxFuture,
        launcher::{Launch, Launcher, SnapshotParts},
        source::Source,
        store::{CheckpointStore, Stored},
    },
    progress::{Home, Resume},
    reading::Until,
    snapshot::Snapshots,
};
use headwater_binlog::{gtid::Uuid, schema::NameCase};
use tokio::sync::OnceCell;

use super::{RunUntil, check, ending, name_case, outputs::Outputs, routes::GenerationRoutes};
use crate::{
    checkpoint::{self, requests},
    mysql::{
        self, CatchUpWait, Identity, MySqlSnapshots, MySqlSource, SnapshotLimits, Start, Target,
        UnnamedColumns, Verdict,
    },
    plan::Plan,
    replay::FileSource,
    snapshot::{ensure_matched, plan_copies},
};

/// Generations that read a MySQL server.
pub struct ServerLauncher {
    shared: Arc<Server>,
}

struct Server {
    plan: Plan,
    until: RunUntil,
    store: Arc<dyn CheckpointStore>,
    outputs: Arc<Outputs>,
    catch_up: CatchUpWait,
    /// "now" is the head of the first launch, for all generations.
    end: OnceCell<Until>,
    /// How the run before ended is told once.
    told: Once,
}

impl ServerLauncher {
    pub fn new(
        plan: Plan,
        until: RunUntil,
        store: Arc<dyn CheckpointStore>,
        outputs: Arc<Outputs>,
    ) -> Self {
        Self {
            shared: Arc::new(Server {
                catch_up: CatchUpWait::new(plan.source.catch_up),
                plan,
                until,
                store,
                outputs,
                end: OnceCell::new(),
                told: Once::new(),
            }),
        }
    }
}

impl Launcher for ServerLauncher {
    fn launch(&self) -> BoxFuture<'static, Result<Launch, Failure>> {
        let shared = Arc::clone(&self.shared);
        // Boxed once more: the future is large.
        Box::pin(async move { Box::pin(shared.launch()).await })
    }
}

impl Server {
    async fn launch(&self) -> Result<Launch, Failure> {
        let stored = self.store.load().await?;
        self.told.call_once(|| ending::tell(&stored));
        let place = place(&stored);
        let hosts = mysql::choose_host(&self.plan.source, place, &self.catch_up).await?;
        let plan = Box::new(Plan {
            source: hosts.only_first(),
            ..self.plan.clone()
        });
        let plan = &*plan;
        ensure_source(plan, &stored).await?;
        self.outputs.connect().await?;
        let mut from = begin(plan, &stored).await?;
        let name_case = mysql::name_case(&plan.source).await?;
        let before = stored.checkpoint.as_ref();
        from.resume.snapshots = copies(plan, before, &from, name_case).await?;
        self.store.save(from.clone()).await?;
        let identity = Identity {
            name: plan.name.clone(),
            server_id: from.server_id,
            server_uuid: from.home.server_uuid,
        };
        let source = Arc::new(MySqlSource::new(hosts, identity));
        let until = self
            .end
            .get_or_try_init(|| self.resolve_end(source.as_ref()))
            .await?
            .clone();
        let routes = GenerationRoutes::new(plan, Arc::clone(&self.outputs), from.home.server_uuid);
        let snapshots = snapshot_parts(plan, from.home.server_uuid);
        Ok(Launch {
            from,
            until,
            source,
            name_case,
            routes: Arc::new(routes),
            snapshots: Some(snapshots),
        })
    }

    async fn resolve_end(&self, source: &MySqlSource) -> Result<Until, Failure> {
        Ok(match &self.until {
            RunUntil::Never => Until::Never,
            RunUntil::Now => Until::Position(source.head().await?.position),
            RunUntil::At(Target::Position(position)) => Until::Position(position.clone()),
            RunUntil::At(Target::Gtids(gtids)) => Until::Gtids(gtids.clone()),
        })
    }
}

/// What copies tables of the server whose log is read.
fn snapshot_parts(plan: &Plan, home: Uuid) -> SnapshotParts {
    let rules = plan.snapshot.rules;
    SnapshotParts {
        source: Arc::new(snapshot_source(plan, home, rules.parallel)),
        requests: requests::requests(&plan.checkpoint, &plan.name),
        rules,
        bytes: plan.memory.snapshot_bytes,
    }
}

/// Reads rows of the server whose log is read, within the limits of `[snapshot]`.
pub(super) fn snapshot_source(plan: &Plan, home: Uuid, connections_max: usize) -> MySqlSnapshots {
    let limits = SnapshotLimits {
        source_threads_running_max: plan.snapshot.threads_running_max,
        replica_lag_secs_max: plan.snapshot.replica_lag_secs_max,
    };
    MySqlSnapshots::new(plan.source.clone(), home, connections_max, limits)
}

/// What is copied from here on; it is stored before the first event, so that a table that is created later is known
/// as one.
async fn copies(
    plan: &Plan,
    before: Option<&Checkpoint>,
    from: &Checkpoint,
    case: NameCase,
) -> Result<Snapshots, Failure> {
    let now = from.resume.snapshots.clone();
    let tables = match plan.snapshot.asks_for(&now) {
        true => mysql::list_tables(&plan.source, &plan.tables, case).await?,
        false => Vec::new(),
    };
    if before.is_none() {
        for found in ensure_matched(&plan.snapshot, &plan.tables, &tables) {
            tracing::warn!("{found}");
        }
    }
    let planned = plan_copies(before, now, &plan.tables, &plan.snapshot, &tables);
    let to_come = planned.open().count();
    if to_come > 0 {
        tracing::info!(copies = to_come, "tables are copied beside the stream");
    }
    Ok(planned)
}

/// Where the stored position is, and whose.
pub(super) fn place(stored: &Stored) -> Option<(Home, &Resume)> {
    let stored = stored.checkpoint.as_ref()?;
    Some((stored.home, &stored.resume))
}

/// The preflight of `check`; all that fails in one sentence, with all cures.
pub(super) async fn ensure_source(plan: &Plan, stored: &Stored) -> Result<(), Failure> {
    let checks = check::source(plan, stored).await?;
    let (mut problems, mut remedies) = (Vec::new(), Vec::new());
    for check in checks {
        match check.verdict {
            Verdict::Ok | Verdict::Skip => (),
            Verdict::Warn => {
                tracing::warn!(
                    remedy = check.remedy.as_deref(),
                    "{}: {}",
                    check.name,
                    check.found
                );
            }
            Verdict::Fail => {
                problems.push(format!("{}: {}", check.name, check.found));
                remedies.extend(check.remedy);
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::definite(problems.join("; ")).with_hint(remedies.join("; ")))
}

/// The stored checkpoint translated to the server that answers, or `source.start` resolved once.
pub(super) async fn begin(plan: &Plan, stored: &Stored) -> Result<Checkpoint, Failure> {
    if let Some(checkpoint) = &stored.checkpoint {
        ensure_ordering(plan, checkpoint)?;
    }
    let start = match &stored.checkpoint {
        Some(checkpoint) => {
            mysql::resume(&plan.source, checkpoint.home, &checkpoint.resume).await?
        }
        None => {
            let mut start = mysql::resolve_start(&plan.source, "source.start").await?;
            start.home.epoch = stored.epoch + 1;
            start
        }
    };
    Ok(checkpoint_of(
        plan,
        start,
        stored.checkpoint.as_ref(),
        false,
    ))
}

/// `start` as what is stored; server id and parked tables live on from the checkpoint before.
pub fn checkpoint_of(
    plan: &Plan,
    mut start: Start,
    before: Option<&Checkpoint>,
    drained: bool,
) -> Checkpoint {
    let server_id = match (plan.source.server_id, before) {
        (0, Some(before)) => before.server_id,
        (0, None) => mysql::draw_server_id(),
        (chosen, _) => chosen,
    };
    if plan.source.unnamed_columns == UnnamedColumns::Positional {
        // Names and numbers do not mix.
        start.resume.columns = Arc::default();
    }
    Checkpoint {
        name: plan.name.clone(),
        server_id,
        home: start.home,
        resume: start.resume,
        ordering: plan.ordering.clone(),
        tables: plan.tables.patterns().into(),
        snapshot_tables: plan.snapshot.patterns().into(),
        drained,
        parked: before.map_or_else(Arc::default, |before| Arc::clone(&before.parked)),
    }
}

/// Rows in flight under another key could be overtaken: a change of it needs a drain.
pub(super) fn ensure_ordering(plan: &Plan, checkpoint: &Checkpoint) -> Result<(), Failure> {
    if checkpoint.ordering == plan.ordering || checkpoint.drained {
        return Ok(());
    }
    Err(Failure::definite(format!(
        "ordering changed from {} to {}, but the stored position was not left by a drain",
        checkpoint.ordering, plan.ordering
    ))
    .with_hint("run once with the former ordering.key and ordering.lanes (and those of [[routes]]), stop it by SIGTERM, then change them"))
}

/// The one generation that reads binlog files. It begins at their head each time: a replay may repeat.
pub struct FileLauncher {
    plan: Plan,
    files: Vec<PathBuf>,
    outputs: Arc<Outputs>,
}

impl FileLauncher {
    pub fn new(plan: Plan, files: Vec<PathBuf>, outputs: Arc<Outputs>) -> Self {
        Self {
            plan,
            files,
            outputs,
        }
    }
}

impl Launcher for FileLauncher {
    fn launch(&self) -> BoxFuture<'static, Result<Launch, Failure>> {
        let (plan, files, outputs) = (
            self.plan.clone(),
            self.files.clone(),
            Arc::clone(&self.outputs),
        );
        Box::pin(async move {
            let name_case = name_case::of_files(&plan)?;
            let source = FileSource::new(files, plan.source.event_bytes_max)?;
            let source = Arc::new(match plan.source.unnamed_columns {
                UnnamedColumns::Refuse => source,
                UnnamedColumns::Positional => source.numbering_columns(),
            });
            let resume = source.first()?;
            // The ids and epoch of the pipeline whose log this is, where its checkpoint is at hand.
            let stored = checkpoint::peek(&plan.checkpoint, &plan.name).await?;
            let before = stored.checkpoint.as_ref();
            let from = Checkpoint {
                name: plan.name.clone(),
                server_id: 0,
                home: Home {
                    server_uuid: before.map_or(Uuid([0; 16]), |before| before.home.server_uuid),
                    epoch: stored.epoch.max(1),
                },
                resume,
                ordering: plan.ordering.clone(),
                tables: plan.tables.patterns().into(),
                snapshot_tables: Arc::default(),
                drained: false,
                // The files are read for all tables.
                parked: Arc::default(),
            };
            outputs.connect().await?;
            Ok(Launch {
                routes: Arc::new(GenerationRoutes::new(&plan, outputs, from.home.server_uuid)),
                snapshots: None,
                from,
                until: Until::Never,
                source,
                name_case,
            })
        })
    }
}
