//! `warehouse audit`: are the tables in the warehouse equal to MySQL, at a position that can be named?
//!
//! The mark is the stored position: all before it is delivered, and visible to the SELECTs that read MySQL. A table is
//! clean when each row of the warehouse that is not newer than the mark is what MySQL has. Else the warehouse may still
//! be merging what changed since: it is read again, until it is clean, or all up to the end of what MySQL was read at
//! is merged, or the time to wait is over. Nothing is written on either side.
//!
//! What is compared, and how, stands in `headwater-warehouse`. Not here: which SQL made the tables.

mod report;
mod source;
mod table;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use headwater_actors::{failure::Failure, ports::snapshot::Sent, printable::printable_json};
use headwater_binlog::{
    gtid::Uuid,
    position::{Position, SeqPlace},
};
use headwater_warehouse::{
    audit::{ROW_BYTES, Rows, Wrong},
    generate::MANIFEST_FILE,
    manifest::Manifest,
    names::quoted,
    table::Target,
};
use tokio::time::sleep;

use self::{
    report::{Keys, Report, TableReport},
    source::{Read, Reader},
    table::Columns,
};
use super::{
    launch::snapshot_source,
    system,
    warehouse::{changed_since, current},
};
use crate::{
    checkpoint,
    encode::{
        native::{NativeEncoder, sorted_seq},
        shape::ShapeRules,
    },
    exit::Exit,
    plan::Plan,
    telemetry::logs,
    terminal,
    warehouse::target::Warehouse,
};

/// Of a source that is busier than the settings allow.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Between two readings of a warehouse that is behind.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// While it is waited for.
const SAID_EVERY: Duration = Duration::from_secs(60);
const KEYS_SHOWN: usize = 10;

/// What to compare.
#[derive(Debug, Clone)]
pub struct AuditMode {
    /// That was generated and applied.
    pub folder: PathBuf,
    /// Patterns; without any all tables of the folder.
    pub tables: Vec<String>,
    /// How long a warehouse that is behind is waited for.
    pub wait: Duration,
    /// Rows of one table, [`ROW_BYTES`] each; a table with more is refused.
    pub rows_max: usize,
    pub is_json: bool,
}

/// Exit 1 when something differs.
pub fn audit(plan: &Plan, mode: &AuditMode) -> anyhow::Result<Exit> {
    let report = system::start()?.block_on(run(plan, mode))?;
    let page = match mode.is_json {
        true => printable_json(serde_json::to_string(&report)?),
        false => report.to_string(),
    };
    terminal::page(&format!("{page}\n"))?;
    Ok(if report.is_clean() {
        Exit::Success
    } else {
        Exit::Halted
    })
}

async fn run(plan: &Plan, mode: &AuditMode) -> Result<Report, Failure> {
    let path = mode.folder.join(MANIFEST_FILE);
    let manifest = super::warehouse::manifest(&mode.folder)?.ok_or_else(|| {
        Failure::definite(format!("{} is not there", path.display()))
            .with_hint("name the folder that headwater warehouse has written, with --dir")
    })?;
    if manifest.dialect.is_lake() {
        let name = manifest.dialect.name();
        let problem = format!("{} was generated for {name}", path.display());
        return Err(Failure::definite(problem).with_hint(
            "name a folder that was generated for redshift; no other warehouse is asked",
        ));
    }
    let targets = wanted(&manifest, &mode.tables)?;
    let target = plan.warehouse.target.as_ref().ok_or_else(|| {
        Failure::definite("warehouse.url is empty, so no warehouse can be asked")
            .with_hint("set warehouse.url, or say --target postgres://USER@HOST:PORT/DATABASE")
    })?;
    ensure_current(plan, &mode.folder, &manifest).await?;
    let warehouse = target.connect(manifest.dialect.session()).await?;
    let auditor = Auditor {
        plan,
        mode,
        manifest: &manifest,
        warehouse,
    };
    let mut tables = Vec::with_capacity(targets.len());
    for target in targets {
        tables.push(auditor.table(target).await?);
    }
    Ok(Report { tables })
}

fn wanted<'m>(manifest: &'m Manifest, patterns: &[String]) -> Result<Vec<&'m Target>, Failure> {
    let all = manifest.tables.iter();
    if patterns.is_empty() {
        return Ok(all.collect());
    }
    let filter = headwater_actors::filter::TableFilter::new(patterns).map_err(|error| {
        Failure::definite(error.to_string()).with_hint("write patterns as in source.tables")
    })?;
    let targets: Vec<&Target> = all
        .filter(|target| filter.includes(&target.name()))
        .collect();
    match targets.is_empty() {
        true => Err(Failure::definite("no generated table has such a name")
            .with_hint(format!("{MANIFEST_FILE} lists them"))),
        false => Ok(targets),
    }
}

/// A table that was altered since is not the one that is merged.
async fn ensure_current(plan: &Plan, folder: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let now = current(plan, manifest.dialect).await?;
    let changed = changed_since(folder, manifest, &now.manifest)?;
    match changed.is_empty() {
        true => Ok(()),
        false => Err(Failure::definite(
            "tables were altered in MySQL since the folder was generated",
        )
        .with_hint("do what headwater warehouse --diff says, then audit")),
    }
}

struct Auditor<'a> {
    plan: &'a Plan,
    mode: &'a AuditMode,
    manifest: &'a Manifest,
    warehouse: Warehouse,
}

/// Where MySQL was read.
struct Mark {
    sent: Sent,
    /// As lines have it.
    seq: String,
    epoch: u32,
    server: Uuid,
    /// Where the table is parked: nothing that is waited for comes.
    parked: Option<Position>,
}

impl Auditor<'_> {
    async fn table(&self, target: &Target) -> Result<TableReport, Failure> {
        let mark = self.mark(target).await?;
        let columns = Columns::of(target);
        let mut rows = Rows::default();
        let mut take = |line: &[u8]| {
            if self.mode.rows_max <= rows.len() {
                return Err(Failure::definite(format!(
                    "{} has more than {} rows",
                    target.name(),
                    self.mode.rows_max
                ))
                .with_hint(format!("raise --rows-max, at {ROW_BYTES} bytes a row")));
            }
            let (key, values) = columns.of_line(line)?;
            rows.push(&key, &values);
            Ok(())
        };
        let end = match self.read_source(&mark, target, &mut take).await? {
            Read::Whole(end) => end,
            Read::Gone => mark.sent.position.clone(),
            Read::Refused(reason) => return Ok(TableReport::refused(target, &mark.sent, reason)),
        };
        let goal = sorted_seq(SeqPlace::new(mark.epoch, &end));
        let began = Instant::now();
        let (mut is_last, mut said) = (mark.parked.is_some(), None);
        loop {
            let reached = self.reached(target).await?;
            let (mut report, missing) = self.compare(&mark, target, &columns, &mut rows).await?;
            let is_final = is_last || began.elapsed() >= self.mode.wait;
            if report.compared.is_clean() || is_final {
                let is_behind = reached.as_ref().is_none_or(|reached| *reached < goal);
                report.behind = match &mark.parked {
                    _ if report.compared.is_clean() => None,
                    Some(position) => Some(format!(
                        "the table is parked at {position}: run headwater resume-table, then audit"
                    )),
                    None => is_behind.then(|| {
                        let waited = began.elapsed().as_secs();
                        let reached = reached.as_deref().unwrap_or("nothing");
                        format!(
                            "the warehouse is behind: merged up to {reached}, MySQL was read up to {goal} (waited {waited} s)"
                        )
                    }),
                };
                report.keys.missing = self.missing_keys(&mark, target, &columns, &missing).await?;
                return Ok(report);
            }
            if said.is_none_or(|said: Instant| SAID_EVERY <= said.elapsed()) {
                said = Some(Instant::now());
                let (secs, of) = (began.elapsed().as_secs(), self.mode.wait.as_secs());
                let reached = reached.as_deref().unwrap_or("nothing");
                logs::say(&format!(
                    "{}: differs so far, and is merged up to {reached}; waiting for {goal} ({secs} of {of} s)",
                    target.name()
                ));
            }
            // What is merged was read before it was compared, so one more look is the last.
            is_last = reached.is_some_and(|reached| goal <= reached);
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn mark(&self, target: &Target) -> Result<Mark, Failure> {
        let stored = checkpoint::peek(&self.plan.checkpoint, &self.plan.name).await?;
        let checkpoint = stored.checkpoint.ok_or_else(|| {
            Failure::definite("the pipeline has stored no position yet")
                .with_hint("let headwater run deliver something first, and audit with its settings")
        })?;
        let position = checkpoint.resume.mark.position.clone();
        let name = target.name();
        let parked = checkpoint.parked.iter().find(|it| it.table == name);
        Ok(Mark {
            parked: parked.map(|it| it.resume.mark.position.clone()),
            seq: sorted_seq(SeqPlace::new(checkpoint.home.epoch, &position)),
            epoch: checkpoint.home.epoch,
            server: checkpoint.home.server_uuid,
            sent: Sent {
                position,
                gtids: checkpoint.resume.gtid_set,
            },
        })
    }

    async fn read_source(
        &self,
        mark: &Mark,
        target: &Target,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Read, Failure> {
        let plan = self.plan;
        let source = snapshot_source(plan, mark.server, 1);
        let encoder = NativeEncoder::new(mark.server)
            .with_shape(ShapeRules::new(&plan.shape, plan.errors.invalid_text))
            .with_fields(&plan.native);
        let reader = Reader {
            source: &source,
            encoder: &encoder,
            sent: mark.sent.clone(),
        };
        reader.read(&target.name(), take).await
    }

    /// How far the table is merged, as a `seq`.
    async fn reached(&self, target: &Target) -> Result<Option<String>, Failure> {
        let control = quoted(&self.manifest.control_schema);
        let dialect = self.manifest.dialect;
        let sql = format!(
            "SELECT MAX(seq) FROM (SELECT seq FROM {control}.complete_to_by_table WHERE database_name = {} \
             AND table_name = {} UNION ALL SELECT seq FROM {control}.complete_to) c",
            dialect.literal(&target.database),
            dialect.literal(&target.table)
        );
        self.warehouse.value(&sql).await
    }

    async fn compare(
        &self,
        mark: &Mark,
        target: &Target,
        columns: &Columns<'_>,
        rows: &mut Rows,
    ) -> Result<(TableReport, HashSet<u64>), Failure> {
        let in_mysql = rows.len() as u64;
        let mut reading = rows.begin(&mark.seq);
        let (mut keys, mut not_compared) = (Keys::default(), 0);
        self.warehouse
            .rows(&columns.select(self.manifest.dialect), |row| {
                let shown = columns.of_row(row);
                if shown.is_too_long {
                    not_compared += 1;
                    reading.pass_over(shown.row.key);
                    return Ok(());
                }
                let list = match reading.take(shown.row) {
                    Some(Wrong::Extra) => &mut keys.extra,
                    Some(Wrong::Different) => &mut keys.different,
                    None => return Ok(()),
                };
                if list.len() < KEYS_SHOWN {
                    list.push(columns.key_of_row(row));
                }
                Ok(())
            })
            .await?;
        let (compared, missing) = reading.finish();
        let report = TableReport {
            table: target.name().to_string(),
            position: mark.sent.position.to_string(),
            rows: in_mysql,
            compared,
            not_compared,
            keys,
            behind: None,
            refused: None,
        };
        Ok((report, missing.into_iter().take(KEYS_SHOWN).collect()))
    }

    /// MySQL is asked again for the keys, of which only hashes were kept.
    async fn missing_keys(
        &self,
        mark: &Mark,
        target: &Target,
        columns: &Columns<'_>,
        missing: &HashSet<u64>,
    ) -> Result<Vec<String>, Failure> {
        let mut keys = Vec::new();
        if missing.is_empty() {
            return Ok(keys);
        }
        self.read_source(mark, target, &mut |line| {
            let (key, _) = columns.of_line(line)?;
            if missing.contains(&key.finish()) {
                keys.push(columns.key_of_line(line)?);
            }
            Ok(())
        })
        .await?;
        Ok(keys)
    }
}
