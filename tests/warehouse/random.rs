//! Random tables and statements over the whole road, while it does the worst that it may: every table of the warehouse
//! equals MySQL, by SELECT on both sides and by the audit. `scripts/golden warehouse` runs it for longer.

mod cure;
mod faults;
mod rough;

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, ensure};
use fastrand::Rng;
use headwater_harness::{
    firehose::{self, Manners},
    generator::{Round, SOURCE, Size, Source},
    postgres::{ADMIN, Session},
    road::{Options, SCHEMA},
};
use serde_json::Value;

use crate::{auditing, syntax, world::World};
use rough::{Figures, Rough};

/// Of the suite; a longer run says how many tables and rows it wants.
const SMALL: Size = Size {
    tables: 8,
    rows_per_table: 40,
};
const LARGE: Size = Size {
    tables: 16,
    rows_per_table: 340,
};
/// Times that what has come is merged, while the tables change.
const PARTS: u64 = 4;

#[tokio::test]
async fn random_tables_over_a_rough_road_equal_mysql_and_the_audit_agrees() -> anyhow::Result<()> {
    let wanted = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>());
    let seed = wanted("HEADWATER_GOLDEN_SEED").transpose()?;
    let mut seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    let tables = wanted("HEADWATER_GOLDEN_TABLES").transpose()?;
    let rows = wanted("HEADWATER_GOLDEN_ROWS").transpose()?.unwrap_or(0);
    let size = tables.map_or(SMALL, |_| LARGE);
    let mut figures = Figures::default();
    let began = Instant::now();
    loop {
        println!("seed {seed}");
        let played = play(seed, size, &mut figures).await;
        played.with_context(|| format!("the round of seed {seed}"))?;
        println!("{figures}; {} s", began.elapsed().as_secs());
        if tables.unwrap_or(0) <= figures.tables && rows <= figures.rows {
            return Ok(());
        }
        seed += 1;
    }
}

/// One round: changes of rows alone, which no hand has to mend; then statements on the tables among them.
async fn play(seed: u64, size: Size, figures: &mut Figures) -> anyhow::Result<()> {
    let world = World::new(|options| rough(options, seed), "DO 1").await?;
    let mut source = Source::open(&world.mysql).await?;
    let mut round = source.round(seed);
    let mut road = Rough::new(world, Rng::with_seed(seed));
    round.begin().await?;
    round.has_statements = false;
    round.make(size).await?;
    road.world.generate().await?;
    if size == LARGE {
        syntax::ensure_redshift_reads(&road.world.mysql, "").await?;
    }
    road.world.apply().await?;
    road.world.start().await?;
    for _ in 0..PARTS {
        round.go_on(size.steps() / PARTS).await?;
        road.bring().await?;
    }
    road.settle().await?;
    let rejected =
        format!("SELECT reason, table_name, LEFT(line::text, 2000) FROM {SCHEMA}.rejected LIMIT 3");
    let rejected = road.world.postgres.query_rows(&rejected).await?;
    ensure!(rejected.is_empty(), "lines were rejected: {rejected:#?}");
    // A table that cannot be read as a copy reads is compared by SELECT alone.
    ensure_equal(&road.world, &mut round, None, figures).await?;

    round.has_statements = true;
    for _ in 0..PARTS {
        round.go_on(size.steps() / PARTS / 2).await?;
        road.bring().await?;
    }
    let not_copied = cure::cure(&mut road).await?;
    round.has_statements = false;
    round.go_on(size.steps() / PARTS).await?;
    road.bring().await?;
    road.settle().await?;
    // What cannot be copied is left by a statement as it was.
    ensure_equal(&road.world, &mut round, Some(&not_copied), figures).await?;
    figures.add(&road, &round.counts).await
}

/// Each seed has its own settings, among those that a warehouse and tables without a key allow.
fn rough(options: &mut Options, seed: u64) {
    let mut rng = Rng::with_seed(!seed);
    options.shards = rng.u32(1..=3);
    options.mysql = SOURCE.map(str::to_owned).to_vec();
    options.redshift.has_large_strings = true;
    options.firehose = firehose::Settings {
        buffer_bytes: 200_000,
        manners: Manners::ROUGH,
        seed,
        ..options.firehose.clone()
    };
    if rng.bool() {
        options.config += "bytes = \"varbyte\"\n";
    }
    if rng.bool() {
        options.config += "long_text = \"varchar\"\n";
    }
    options.config += "[packing]\nrecord_bytes_max = 16384\n";
}

/// `not_copied`, behind the cure: the tables that it could not copy.
async fn ensure_equal(
    world: &World,
    round: &mut Round<'_>,
    not_copied: Option<&BTreeSet<String>>,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (code, report) = auditing::report(world, &["--wait-secs", "0"]).await?;
    let tables = report["tables"].as_array().context("tables")?;
    let is_refused = |table: &&Value| !table["refused"].is_null();
    let refused: BTreeSet<String> = tables
        .iter()
        .filter(is_refused)
        .filter_map(|table| Some(table["table"].as_str()?.to_owned()))
        .collect();
    let is_cured = not_copied.is_some();
    let not_copied = not_copied.cloned().unwrap_or_default();
    let unread = &refused | &not_copied;
    let none = BTreeSet::new();
    let passed_over = if is_cured { &unread } else { &none };
    let session = Session::open(&world.postgres.url(ADMIN)).await?;
    let folder = world.generated();
    let found = round.compare(&session, &folder, passed_over).await?;
    let shown: Vec<_> = found.differences.iter().take(20).collect();
    ensure!(
        shown.is_empty(),
        "{} differences: {shown:#?}",
        found.differences.len()
    );
    ensure!(0 < found.rows, "nothing was compared");
    let is_clean = |table: &Value| {
        let wrong = ["missing", "extra", "different", "not_compared"];
        wrong.iter().all(|name| table[name] == 0)
    };
    for table in tables.iter().filter(|table| !is_clean(table)) {
        let is_known = table["table"]
            .as_str()
            .is_some_and(|name| not_copied.contains(name));
        ensure!(is_known, "the audit does not agree: {table:#}");
    }
    let is_told = |table: &Value| is_refused(&table) || !is_clean(table);
    let wanted = i32::from(tables.iter().any(is_told));
    ensure!(code == Some(wanted), "the audit ended with {code:?}");
    figures.compared(&found, unread.len());
    Ok(())
}
