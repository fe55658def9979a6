//! Changes inside, before and behind the window of a chunk.

use anyhow::{Context, ensure};
use headwater_harness::{
    program::{Launch, Program},
    wait::Deadline,
    wire::Gate,
};

use super::{SELECT, Shop, WITHIN, orders};
use crate::world::delivered;

const ORDERS: u32 = 2_500;
const TABLE: &str = "shop.orders";

/// Everything that can happen to a key, on rows all over the table: so it happens before, inside and behind the
/// chunk. `round` is another one each time.
fn changes(round: u32) -> String {
    let mut statements = Vec::new();
    // Ids are even, those that come are odd.
    for place in 0..8 {
        let id = |n: u32| 2 * (place * (ORDERS / 8) + 12 * (round % 20) + n + 1);
        let (a, b, c, d, e, f, g) = (id(0), id(1), id(2), id(3), id(4), id(5), id(6));
        let (free, far) = (a + 1, 2 * ORDERS - id(7) + 1);
        statements.push(format!(
            "INSERT IGNORE INTO shop.orders VALUES ({free}, {round}, 'came'); \
             UPDATE shop.orders SET quantity = quantity + 1 WHERE id = {a}; \
             UPDATE shop.orders SET quantity = quantity + 1, note = 'twice' WHERE id = {a}; \
             DELETE FROM shop.orders WHERE id = {b}; \
             DELETE FROM shop.orders WHERE id = {c}; INSERT IGNORE INTO shop.orders VALUES ({c}, 0, 'again'); \
             UPDATE IGNORE shop.orders SET id = {far} WHERE id = {d}; \
             UPDATE IGNORE shop.orders SET id = {e} + 1 WHERE id = {e}; \
             UPDATE IGNORE shop.orders SET id = {f} + 1 WHERE id = {f}; \
             UPDATE IGNORE shop.orders SET id = {f} WHERE id = {f} + 1; \
             BEGIN; UPDATE shop.orders SET quantity = -1 WHERE id = {g}; DELETE FROM shop.orders WHERE id = {g}; COMMIT"
        ));
    }
    statements.join("; ")
}

/// Stops at every step of every chunk, changes rows there, and goes on.
async fn changes_at_each_step(shop: &Shop, launch: Launch, marks: Vec<Gate>) -> anyhow::Result<()> {
    let program = stops_at_each_step(shop, launch, marks, u32::MAX).await?;
    shop.ends_well(program, &[TABLE]).await?;
    Ok(())
}

async fn stops_at_each_step(
    shop: &Shop,
    launch: Launch,
    marks: Vec<Gate>,
    rounds_max: u32,
) -> anyhow::Result<Program> {
    let program = launch.start()?;
    let mut coming = shop.coming().await?;
    let deadline = Deadline::after(WITHIN, "the table to be copied");
    let (mut round, mut passed) = (0, vec![0; marks.len()]);
    while !coming.has_ends(&[TABLE]).await? {
        for (gate, passed) in marks.iter().zip(&mut passed) {
            if *passed < gate.came() {
                round += 1;
                if round <= rounds_max {
                    shop.exec(&changes(round)).await?;
                }
                *passed = gate.came();
                gate.pass(*passed);
            }
        }
        let pause = deadline.pause().await;
        pause.with_context(|| format!("{round} stops; {:?}", coming.consumer))?;
    }
    drop(marks);
    ensure!(2 < round, "only {round} stops");
    Ok(program)
}

#[tokio::test]
async fn changes_in_front_of_a_select_and_behind_it_are_not_undone() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let marks = vec![shop.first_mark(0), shop.last_mark()];
    let launch = shop.launch(TABLE)?;
    changes_at_each_step(&shop, launch, marks).await
}

#[tokio::test]
async fn on_mariadb_a_consistent_snapshot_stands_for_both_marks() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&orders(ORDERS)).await?;
    let marks = vec![shop.first_mark(2), shop.wire.gate(SELECT)];
    let launch = shop.launch(TABLE)?;
    changes_at_each_step(&shop, launch, marks).await
}

/// Images that lack columns are no business of the audit: the consumer's table is compared with the source's.
async fn rows_are_whole(shop: Shop, marks: Vec<Gate>) -> anyhow::Result<()> {
    // A row is read again until it is quiet.
    let program = stops_at_each_step(&shop, shop.launch(TABLE)?, marks, 40).await?;
    delivered(&program, &shop.world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    shop.came()
        .await?
        .has_all_of(&shop.world.mysql, TABLE)
        .await
}

async fn rows_are_whole_with_images(image: &str) -> anyhow::Result<()> {
    let option = format!("--binlog-row-image={image}");
    let shop = Shop::new(&orders(ORDERS), &[&option]).await?;
    let marks = vec![shop.first_mark(0), shop.last_mark()];
    rows_are_whole(shop, marks).await
}

#[tokio::test]
async fn on_mariadb_rows_of_which_the_log_tells_a_part_are_read_again() -> anyhow::Result<()> {
    let image = "SET GLOBAL binlog_row_image = MINIMAL";
    let shop = Shop::mariadb(&format!("{}; {image}", orders(ORDERS))).await?;
    let marks = vec![shop.first_mark(2), shop.wire.gate(SELECT)];
    rows_are_whole(shop, marks).await
}

#[tokio::test]
async fn rows_of_which_the_log_tells_a_part_are_read_again_with_minimal_images()
-> anyhow::Result<()> {
    rows_are_whole_with_images("MINIMAL").await
}

#[tokio::test]
async fn rows_of_which_the_log_tells_a_part_are_read_again_without_large_columns()
-> anyhow::Result<()> {
    rows_are_whole_with_images("NOBLOB").await
}
