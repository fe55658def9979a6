//! The golden test by machine: tables of random shape, random rows and statements on a real server,
//! everything that Headwater writes of them compared with `SELECT` at that moment, and the tables of a
//! second server, which gets nothing but the lines, compared with the first's.
//!
//! Rounds are independent: each has a seed, and the same seed gives the same statements. A round that finds
//! a difference is had again alone by its seed.

mod change;
mod define;
mod lines;
mod literal;
mod moment;
mod replica;
mod round;
mod schema;
mod script;
mod session;
mod shape;
mod warehouse;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use mysql_async::{Conn, prelude::Queryable};
use tempfile::TempDir;

use crate::{golden::compare::Compare, mysql::MySql, program::Launch};

use lines::Line;
use moment::Compared;
use replica::Replica;
pub use round::{Counts, Round};
use schema::{Table, strings, text};
pub use script::Size;
pub use session::SOURCE;
use shape::{Catalogue, DATABASES};
pub use warehouse::{Found, Source};

const CATCH_UP_WITHIN: Duration = Duration::from_secs(300);

/// What to generate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The built program.
    pub binary: PathBuf,
    /// One round each.
    pub seeds: Vec<u64>,
    /// Behind these, rounds of the numbers after the last seed until there are as many tables and rows.
    pub tables: u64,
    pub rows: u64,
}

/// What was generated and found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    pub rounds: u64,
    pub counts: Counts,
    pub lines: u64,
    pub values: u64,
    pub tables_compared: u64,
    /// Seeds of rounds with differences, and what they are.
    pub failures: Vec<(u64, Vec<String>)>,
}

/// Two servers, and the program between them.
pub struct Generator {
    binary: PathBuf,
    source: MySql,
    conn: Conn,
    second: MySql,
    replica: Replica,
    folder: TempDir,
    catalogue: Catalogue,
}

/// Rounds until both numbers are reached; stops at the first round with differences.
///
/// # Errors
/// When a server or the program fails.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let mut generator = Generator::start(options.binary.clone()).await?;
    let mut report = Report::default();
    let mut seeds = options.seeds.iter().copied();
    let mut last = 0;
    loop {
        let is_enough =
            report.counts.tables >= options.tables && report.counts.rows >= options.rows;
        let seed = match seeds.next() {
            Some(seed) => seed,
            None if is_enough => break,
            None => last + 1,
        };
        last = seed;
        generator.round(seed, &mut report).await?;
        if !report.failures.is_empty() {
            break;
        }
    }
    Ok(report)
}

impl Generator {
    /// # Errors
    /// When a server does not start.
    pub async fn start(binary: PathBuf) -> anyhow::Result<Self> {
        let (source, second) =
            tokio::try_join!(MySql::with(&session::SOURCE), MySql::with(&session::SECOND))?;
        Ok(Self {
            binary,
            conn: session::open(&source).await?,
            replica: Replica::connect(&second).await?,
            source,
            second,
            folder: tempfile::tempdir().context("create a folder")?,
            catalogue: Catalogue::new(),
        })
    }

    /// One round from its seed to its comparison.
    ///
    /// # Errors
    /// When a server or the program fails; the message has the seed.
    pub async fn round(&mut self, seed: u64, report: &mut Report) -> anyhow::Result<()> {
        let played = self.play(seed, report).await;
        let differences = played.with_context(|| format!("the round of seed {seed}"))?;
        report.rounds += 1;
        println!(
            "round {} of seed {seed}: {} tables, {} rows, {} lines so far",
            report.rounds, report.counts.tables, report.counts.rows, report.lines
        );
        if !differences.is_empty() {
            report.failures.push((seed, differences));
        }
        Ok(())
    }

    async fn play(&mut self, seed: u64, report: &mut Report) -> anyhow::Result<Vec<String>> {
        let folder = self.folder.path().join(format!("{}-{seed}", report.rounds));
        std::fs::create_dir(&folder)?;
        let documents = documents(seed);
        let (conn, catalogue) = (&mut self.conn, &self.catalogue);
        let mut round = Round::new(conn, catalogue, seed, documents, folder.clone());
        round.play(Size::of(seed)).await?;
        let (moments, counts) = (round.moments, round.counts);
        report.counts.add(&counts);

        let file = folder.join("lines");
        self.catch_up(&file, documents).await?;
        let lines = lines::read(&file)?;
        std::fs::remove_dir_all(&folder)?;

        let mut compared = Compared::default();
        let mut since_mark: Vec<&Line> = Vec::new();
        for line in lines.iter().filter(|line| line.is_row()) {
            if line.database != "marks" {
                since_mark.push(line);
                continue;
            }
            // The last round's marks are deleted with their table.
            let mark = moment::mark(line).context("a mark has a number")?;
            let moment = moments.get(&mark).context("a mark that was set")?;
            moment.compare(&since_mark, &mut compared);
            since_mark.clear();
        }
        let left: Vec<String> = since_mark.iter().map(|line| line.text.clone()).collect();
        compared.differences.extend(left);
        report.lines += compared.lines;
        report.values += compared.values;

        let mut differences = compared.differences;
        self.replica.documents = documents;
        for line in lines
            .iter()
            .filter(|line| !(line.is_row() && line.database == "marks"))
        {
            if let Err(error) = self.replica.apply(line).await {
                differences.push(format!("{error:#}"));
                break;
            }
        }
        self.replica.commit().await?;
        for database in DATABASES {
            self.compare_database(database, &mut differences, report)
                .await?;
        }
        if !differences.is_empty() {
            let statements = lines.iter().filter(|line| !line.is_row());
            let texts = statements.filter_map(|line| line.field("statement"));
            differences.extend(texts.map(|text| format!("after: {}", schema::shortened(&text))));
        }
        Ok(differences)
    }

    /// The program from where it was to the log's head.
    async fn catch_up(&self, file: &Path, documents: Compare) -> anyhow::Result<()> {
        let json = match documents {
            Compare::JsonText => "string",
            _ => "inline",
        };
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\nevent_bytes_max = 268435456\n\
             [sink]\ntype = \"file\"\n[shutdown]\ngrace_secs = 300\n",
            self.source.headwater_url()
        );
        let launch = Launch::run(&self.binary, self.folder.path(), &config)?
            .arg("--until")
            .arg("now")
            .setting("native.json", json)
            .setting("sink.file.path", &file.display().to_string());
        let finished = launch.finish(CATCH_UP_WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        Ok(())
    }

    async fn compare_database(
        &mut self,
        database: &str,
        differences: &mut Vec<String>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let tables = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} ORDER BY 1",
            text(database)
        );
        let ours = strings(&mut self.conn, &tables).await?;
        let theirs = strings(&mut self.replica.conn, &tables).await?;
        let defaults =
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE IS_DEFAULT = 'Yes'";
        let defaults = strings(&mut self.conn, defaults).await?;
        let defaults: Vec<String> = defaults.into_iter().flatten().flatten().collect();
        if ours != theirs {
            differences.push(format!(
                "tables of {database}: {ours:?}, rebuilt {theirs:?}"
            ));
        }
        for name in ours.into_iter().flatten().flatten() {
            report.tables_compared += 1;
            let documents = self.replica.documents;
            let table = Table::read(&mut self.conn, documents, database, &name).await?;
            let table = table.context("the table is there")?;
            let show = format!("SHOW CREATE TABLE {}", table.path());
            let (ours, theirs) = (
                strings(&mut self.conn, &show).await?,
                strings(&mut self.replica.conn, &show).await,
            );
            let Ok(theirs) = theirs else {
                continue; // told above
            };
            let (ours, theirs) = (comparable(ours, &defaults), comparable(theirs, &defaults));
            if ours != theirs {
                differences.push(first_difference(&ours, &theirs));
                continue;
            }
            let (ours, theirs) = (
                table.content(&mut self.conn).await?,
                table.content(&mut self.replica.conn).await?,
            );
            if ours.len() != theirs.len() {
                let counts = (ours.len(), theirs.len());
                differences.push(format!("{} has {counts:?} rows", table.path()));
            }
            let columns = table.columns.iter().enumerate();
            for (place, column) in columns {
                let differing = ours.iter().zip(&theirs).find(|(a, b)| a[place] != b[place]);
                if let Some((ours, theirs)) = differing {
                    let shown = |value: &schema::Printed| {
                        value.as_ref().map_or("NULL".into(), |it| {
                            schema::shortened(&String::from_utf8_lossy(it))
                        })
                    };
                    differences.push(format!(
                        "`{}` {} of {}: {}, rebuilt {}",
                        column.name,
                        column.column_type,
                        table.path(),
                        shown(&ours[place]),
                        shown(&theirs[place])
                    ));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends both servers in order.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.conn.query_drop("DO 1").await?;
        self.source.stop().await?;
        self.second.stop().await
    }
}

/// How the lines of a round show JSON documents: even seeds inline, odd ones as text.
fn documents(seed: u64) -> Compare {
    match seed % 2 {
        0 => Compare::Json,
        _ => Compare::JsonText,
    }
}

/// The first line that differs, of each.
fn first_difference(ours: &str, theirs: &str) -> String {
    let pair = ours.lines().zip(theirs.lines()).find(|(a, b)| a != b);
    let name = ours.lines().next().unwrap_or_default();
    match pair {
        Some((ours, theirs)) => format!("{name}: {ours}, rebuilt as {theirs}"),
        None => format!("{name} has more or fewer lines"),
    }
}

/// A table's statement without the next number of a counter, which rows move and no line tells, and without
/// a default collation that is said all the same: CREATE TABLE ... SELECT is logged so.
fn comparable(shown: Vec<Vec<Option<String>>>, default_collations: &[String]) -> String {
    let mut text = shown
        .into_iter()
        .flatten()
        .flatten()
        .nth(1)
        .unwrap_or_default();
    for collation in default_collations {
        for end in [" ", ","] {
            text = text.replace(&format!(" COLLATE {collation}{end}"), end);
        }
    }
    let Some((front, rest)) = text.split_once(" AUTO_INCREMENT=") else {
        return text;
    };
    let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{front}{rest}")
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tables += other.tables;
        self.rows += other.rows;
        self.changes += other.changes;
        self.ddl += other.ddl;
        for (code, (count, sample)) in &other.refused {
            let (all, _) = self.refused.entry(*code).or_insert((0, sample.clone()));
            *all += count;
        }
    }
}
