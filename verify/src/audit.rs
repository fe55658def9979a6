//! The audit: every line goes by its lane's rule, what is new also by its key's.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{
    lanes::{Entry, Lanes, Step},
    line::{Heartbeat, Kind, Line, Parsed},
    raw::{Prefix, Unreadable},
    report::{Finding, FindingKind, Report, SourceReport},
    rows::{Live, Rows, Spot, TooManyKeys},
    seq::{Seq, Standing},
    snapshots::Snapshots,
};

const UNHEARD: &str = "the snapshot has no row of a key that was there: its deletion is missing, or the source deleted it without logging \
     that; the `seq` is that of the newest such row's last line";

/// What is looked at, and how much may be kept.
#[derive(Debug, Clone)]
pub struct AuditRules {
    /// A column that an insert sets and every update raises by one.
    pub counter: Option<String>,
    /// Of flat lines.
    pub prefix: Prefix,
    /// Whether `old` must fit the last change of its key.
    pub judges_images: bool,
    /// Of lines without a partition key.
    pub lane_by: LaneBy,
    /// Changes that are remembered, to recognise repetitions; at most 160 bytes each.
    pub window: usize,
    /// At most 300 bytes each, with a counter.
    pub keys_max: usize,
}

/// What keeps its order in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneBy {
    Table,
    Key,
}

impl Default for AuditRules {
    fn default() -> Self {
        Self {
            counter: None,
            prefix: Prefix::default(),
            judges_images: true,
            lane_by: LaneBy::Table,
            window: 1_000_000,
            keys_max: 10_000_000,
        }
    }
}

/// Where a line came from.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// A shard, or "" where there is one order for all.
    pub shard: &'a str,
    /// The record's partition key.
    pub lane: Option<&'a str>,
}

/// What became of a line.
#[derive(Debug)]
pub enum Taken {
    Heartbeat,
    Unreadable(Unreadable),
    Line {
        line: Line,
        step: Step,
        /// The key's `seq` fell within its shard.
        falls: bool,
    },
}

/// Takes lines in the order in which a consumer got them; ends in a [`Report`].
#[derive(Debug)]
pub struct Audit {
    rules: AuditRules,
    lanes: Lanes,
    rows: Rows,
    snapshots: Snapshots,
    tables: HashMap<String, u32>,
    table_names: Vec<String>,
    shards: Vec<String>,
    /// Those before it are of another target.
    shards_from: usize,
    /// What is being read, where it has no shards.
    file: String,
    report: Report,
}

impl Audit {
    pub fn new(rules: AuditRules) -> Self {
        Self {
            lanes: Lanes::new(rules.window),
            rows: Rows::new(rules.keys_max, rules.judges_images),
            rules,
            snapshots: Snapshots::default(),
            tables: HashMap::new(),
            table_names: Vec::new(),
            shards: Vec::new(),
            shards_from: 0,
            file: String::new(),
            report: Report::default(),
        }
    }

    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Where a line stands, without a look at the rest of it.
    pub fn standing(&self, line: &[u8]) -> Standing {
        self.rules.prefix.standing(line)
    }

    /// What comes from now on is of another stream, or another set of files: lanes and shards of the same names are
    /// others.
    pub fn begin_target(&mut self) {
        self.lanes.forget_names();
        self.shards_from = self.shards.len();
    }

    /// What comes from now on stands there, as in `file "x"`: for what is unreadable, and so has no `id`.
    pub fn begin_file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    pub fn count_record(&mut self) {
        self.report.records += 1;
    }

    /// One line.
    ///
    /// # Errors
    /// When there is no room for another key.
    pub fn take(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<Taken, TooManyKeys> {
        self.report.lines += 1;
        let line = match Line::parse(bytes, self.rules.counter.as_deref(), &self.rules.prefix) {
            Ok(Parsed::Change(line)) => line,
            Ok(Parsed::Heartbeat(heartbeat)) => {
                self.heartbeat(place, &heartbeat);
                return Ok(Taken::Heartbeat);
            }
            Err(error) => {
                self.unreadable(place.shard, &error.to_string());
                return Ok(Taken::Unreadable(error));
            }
        };
        let (table, shard) = (self.table(&line.table), self.shard(place.shard));
        let lane = match (place.lane, &line.row, self.rules.lane_by) {
            (Some(name), ..) => self.lanes.number(name),
            (None, Some(row), LaneBy::Key) => self.lanes.number(&format!("{:016x}", row.key)),
            (None, ..) => self.lanes.number(&line.table),
        };
        let mut id = DefaultHasher::new();
        line.id.hash(&mut id);
        let entry = Entry {
            id: id.finish(),
            content: line.content,
            seq: line.seq,
        };
        let step = self.lanes.take(lane, entry);
        self.count(&line, step);
        let mut falls = false;
        if step.is_new() {
            let spot = Spot {
                table,
                shard,
                seq: line.seq,
                id: &line.id,
            };
            falls = self.settle(&spot, &line, step)?;
            self.snapshots.take(table, &line, place.shard);
        }
        if let Some((kind, what)) = finding(step, falls) {
            self.report.add(1, found(kind, &line, place.shard, what));
        }
        Ok(Taken::Line { line, step, falls })
    }

    /// A record or line that is no native event.
    pub fn unreadable(&mut self, shard: &str, what: &str) {
        let finding = Finding {
            kind: FindingKind::Unreadable,
            table: String::new(),
            id: String::new(),
            seq: String::new(),
            shard: shard.to_owned(),
            what: match self.file.as_str() {
                "" => what.to_owned(),
                file => format!("{file}: {what}"),
            },
        };
        self.report.add(1, finding);
    }

    /// The rows that are there by now: of a table by key.
    pub fn live(&self) -> HashMap<String, HashMap<u64, Live>> {
        let mut tables: HashMap<u32, HashMap<u64, Live>> = HashMap::new();
        for (table, key, live) in self.rows.live() {
            tables.entry(table).or_default().insert(key, live);
        }
        let named = |(table, rows)| Some((self.table_names.get(table as usize)?.clone(), rows));
        tables.into_iter().filter_map(named).collect()
    }

    /// What the comparison with the source came to.
    pub fn compared(&mut self, source: SourceReport) {
        self.report.source = Some(source);
    }

    /// Tables of which a run's snapshot has come to its end, and into which no row can have come since without a line.
    pub fn copied(&self, run: &str) -> Vec<String> {
        let ended = self.snapshots.ended(run);
        let whole = ended.filter(|(table, first)| !self.rows.is_moved_behind(*table, *first));
        let name = |(table, _): (u32, _)| self.table_names.get(table as usize).cloned();
        whole.filter_map(name).collect()
    }

    /// The source says otherwise about so many rows of a table.
    pub fn contradict(&mut self, table: &str, amount: u64, what: &str) {
        self.find(FindingKind::WrongValue, table, amount, what);
    }

    /// So many rows of a table never came.
    pub fn miss(&mut self, table: &str, amount: u64, what: &str) {
        self.find(FindingKind::Missing, table, amount, what);
    }

    fn find(&mut self, kind: FindingKind, table: &str, amount: u64, what: &str) {
        let finding = Finding {
            kind,
            table: table.to_owned(),
            id: String::new(),
            seq: String::new(),
            shard: String::new(),
            what: what.to_owned(),
        };
        if amount > 0 {
            self.report.add(amount, finding);
        }
    }

    /// The verdict.
    pub fn finish(mut self) -> Report {
        self.report.keys = self.rows.len();
        let unheard = self.unheard();
        let (snapshots, missing) = self.snapshots.judge(&self.table_names);
        self.report.snapshots = snapshots;
        for (amount, finding) in missing {
            self.report.add(amount, finding);
        }
        let judged = self.rows.judge();
        let name = |number: u32| {
            let name = self.table_names.get(number as usize);
            name.cloned().unwrap_or_default()
        };
        self.report.not_judged = judged.not_judged;
        for misfit in judged.misfits {
            let shard = self.shards.get(misfit.shard as usize);
            let finding = Finding {
                kind: misfit.kind,
                table: name(misfit.table),
                id: misfit.id.into(),
                seq: misfit.seq.to_string(),
                shard: shard.cloned().unwrap_or_default(),
                what: misfit.what.to_owned(),
            };
            self.report.add(misfit.amount, finding);
        }
        for (amount, finding) in unheard {
            self.report.add(amount, finding);
        }
        for number in judged.partial {
            self.report
                .tables
                .entry(name(number))
                .or_default()
                .is_partial = true;
        }
        self.report
    }

    /// Rows from before a snapshot began, without a line since: the table does not have them.
    fn unheard(&self) -> Vec<(u64, Finding)> {
        let begins: HashMap<u32, (Seq, u64)> = self.snapshots.begins().collect();
        let since = begins.iter().map(|(table, (begin, _))| (*table, *begin));
        let unheard = self.rows.unheard(&since.collect());
        let finding = |(table, (amount, last)): (u32, (u64, Seq))| {
            let name = self.table_names.get(table as usize);
            let finding = Finding {
                kind: FindingKind::Missing,
                table: name.cloned().unwrap_or_default(),
                id: String::new(),
                seq: last.to_string(),
                shard: String::new(),
                what: UNHEARD.to_owned(),
            };
            // Rows of the snapshot that did not come may be these.
            let missing = begins.get(&table).map_or(0, |(_, missing)| *missing);
            (amount.saturating_sub(missing), finding)
        };
        let mut findings: Vec<(u64, Finding)> = unheard.into_iter().map(finding).collect();
        findings.retain(|(amount, _)| *amount > 0);
        findings.sort_by(|one, other| one.1.table.cmp(&other.1.table));
        findings
    }

    /// New changes meet their key's last one. Whether the key's `seq` fell.
    fn settle(&mut self, spot: &Spot<'_>, line: &Line, step: Step) -> Result<bool, TooManyKeys> {
        if matches!(line.kind, Kind::Ddl | Kind::Truncate) {
            self.rows.statement(spot.table, spot.seq, line.keeps_rows);
        }
        let Some(row) = &line.row else {
            return Ok(false);
        };
        let rose = match line.kind {
            Kind::Snapshot => self.rows.base_line(spot, row)?,
            _ => self.rows.change(spot, row)?,
        };
        // What came where it may not is a finding of its lane's already.
        Ok(!rose && step == Step::New)
    }

    fn heartbeat(&mut self, place: Place<'_>, heartbeat: &Heartbeat) {
        self.report.heartbeats += 1;
        let lane = match (place.lane, self.rules.lane_by) {
            (Some(name), _) => name,
            (None, LaneBy::Table) if !heartbeat.is_of_part => &heartbeat.table,
            (None, _) => return,
        };
        if let Some(seq) = heartbeat.seq {
            let lane = self.lanes.number(lane);
            self.lanes.complete(lane, seq);
        }
    }

    fn count(&mut self, line: &Line, step: Step) {
        match step {
            Step::New | Step::NewOutOfOrder(_) if line.kind.is_row() => {
                self.report.changes += 1;
                let table = self.report.tables.entry(line.table.clone());
                table.or_default().changes += 1;
            }
            Step::New | Step::NewOutOfOrder(_) if line.kind == Kind::Snapshot => {
                self.report.snapshot_rows += 1;
                self.report.tables.entry(line.table.clone()).or_default();
            }
            Step::New | Step::NewOutOfOrder(_) => self.report.others += 1,
            Step::Repeated | Step::RepeatedOutOfOrder(_) => self.report.duplicates += 1,
            Step::Contradiction | Step::Changed => self.report.duplicates += 1,
            Step::ReplayBegun => {
                self.report.duplicates += 1;
                self.report.replays += 1;
            }
            Step::Forgotten => {
                self.report.duplicates += 1;
                self.report.duplicates_not_judged += 1;
            }
        }
    }

    fn table(&mut self, name: &str) -> u32 {
        if let Some(number) = self.tables.get(name) {
            return *number;
        }
        let database = name.split('.').next().unwrap_or_default();
        let database = format!("{database}.");
        let number = u32::try_from(self.table_names.len()).unwrap_or(u32::MAX);
        self.tables.insert(name.to_owned(), number);
        self.table_names.push(name.to_owned());
        if name == database {
            self.rows.add_table(number);
            return number;
        }
        // The database's own number may come behind the table's.
        self.rows.add_table(number);
        let database = self.table(&database);
        self.rows.set_database(number, database);
        number
    }

    fn shard(&mut self, name: &str) -> u32 {
        let mut shards = self.shards.iter().enumerate().skip(self.shards_from);
        let known = shards.find_map(|(at, shard)| (shard == name).then_some(at));
        let number = known.unwrap_or_else(|| {
            self.shards.push(name.to_owned());
            self.shards.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

fn finding(step: Step, falls: bool) -> Option<(FindingKind, &'static str)> {
    match step {
        Step::NewOutOfOrder(what) | Step::RepeatedOutOfOrder(what) => {
            Some((FindingKind::OutOfOrder, what))
        }
        Step::Contradiction => Some((
            FindingKind::WrongValue,
            "came twice in one epoch with different `seq`s",
        )),
        Step::Changed => Some((FindingKind::WrongValue, "came twice with different values")),
        Step::New if falls => Some((FindingKind::OutOfOrder, "the `seq` of its key falls")),
        _ => None,
    }
}

fn found(kind: FindingKind, line: &Line, shard: &str, what: &str) -> Finding {
    Finding {
        kind,
        table: line.table.clone(),
        id: line.id.clone(),
        seq: line.seq.to_string(),
        shard: shard.to_owned(),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
