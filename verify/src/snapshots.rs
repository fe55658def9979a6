//! What came of each snapshot of a table: how many rows, and how many its end says there were.
//!
//! A row that was read again after a crash is a line of its own, so more lines than rows are right and fewer are not.
//! A snapshot whose end has not come is on its way, or was given up.

use std::collections::HashMap;

use crate::{
    line::{EndOfSnapshot, Line},
    report::{Finding, FindingKind, SnapshotReport},
    seq::Seq,
};

#[derive(Debug, Default)]
pub struct Snapshots {
    /// By table: its runs.
    tables: HashMap<u32, Vec<Run>>,
}

#[derive(Debug)]
struct Run {
    name: String,
    /// Different ones.
    lines: u64,
    /// Of all its lines.
    first: Seq,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    rows: u64,
    begin: Option<Seq>,
    finding: Finding,
}

impl Run {
    fn missing(&self) -> u64 {
        let said = self.end.as_ref().map_or(0, |end| end.rows);
        said.saturating_sub(self.lines)
    }
}

impl Snapshots {
    /// A line that came for the first time.
    pub fn take(&mut self, table: u32, line: &Line, shard: &str) {
        let Some(snapshot) = &line.snapshot else {
            return;
        };
        let name = &snapshot.run;
        let runs = self.tables.entry(table).or_default();
        let known = runs.iter().position(|run| run.name == *name);
        let index = known.unwrap_or_else(|| {
            runs.push(Run {
                name: name.clone(),
                lines: 0,
                first: line.seq,
                end: None,
            });
            runs.len() - 1
        });
        let Some(run) = runs.get_mut(index) else {
            return;
        };
        run.first = run.first.min(line.seq);
        let Some(EndOfSnapshot { rows, begin }) = snapshot.end else {
            run.lines += 1;
            return;
        };
        if run.end.as_ref().is_none_or(|end| end.rows < rows) {
            let finding = Finding {
                kind: FindingKind::Missing,
                table: line.table.clone(),
                id: line.id.clone(),
                seq: line.seq.to_string(),
                shard: shard.to_owned(),
                what: "fewer rows of the snapshot came than its end says there were".to_owned(),
            };
            run.end = Some(End {
                rows,
                begin,
                finding,
            });
        }
    }

    /// Tables of which a run has come to its end, with the place where it began.
    pub fn ended(&self, name: &str) -> impl Iterator<Item = (u32, Seq)> {
        self.tables.iter().filter_map(move |(table, runs)| {
            let run = runs.iter().find(|run| run.name == name)?;
            run.end.as_ref().map(|_| (*table, run.first))
        })
    }

    /// The tables that a run has sent whole: the newest place since which a line named each of their rows, and how many
    /// rows of their runs did not come.
    pub fn begins(&self) -> impl Iterator<Item = (u32, (Seq, u64))> {
        self.tables.iter().filter_map(|(table, runs)| {
            let begins = runs.iter().filter_map(|run| run.end.as_ref()?.begin);
            let missing = runs.iter().map(Run::missing).sum();
            Some((*table, (begins.max()?, missing)))
        })
    }

    /// What came, and what did not, with how many rows that is.
    pub fn judge(
        self,
        table_names: &[String],
    ) -> (Vec<SnapshotReport>, impl Iterator<Item = (u64, Finding)>) {
        let (mut reports, mut findings) = (Vec::new(), Vec::new());
        for (table, runs) in self.tables {
            let table = table_names.get(table as usize);
            for run in runs {
                let rows_said = run.end.as_ref().map(|end| end.rows);
                let missing = run.missing();
                if let Some(end) = run.end
                    && missing > 0
                {
                    findings.push((missing, end.finding));
                }
                reports.push(SnapshotReport {
                    table: table.cloned().unwrap_or_default(),
                    run: run.name,
                    rows: run.lines,
                    rows_said,
                });
            }
        }
        reports.sort_by(|one, other| (&one.table, &one.run).cmp(&(&other.table, &other.run)));
        findings.sort_by(|one, other| one.1.id.cmp(&other.1.id));
        (reports, findings.into_iter())
    }
}
