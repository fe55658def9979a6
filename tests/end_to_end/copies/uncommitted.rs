//! Changes that stand in the log, and have been sent, before any SELECT can see them: the newer value wins.
//!
//! A semi-synchronous replica stands still twice: before a window opens, so that its chunk has to wait, and inside one,
//! so that the chunk has older values than those that were sent.

use std::time::Duration;

use headwater_harness::{mysql::Witness, wait::Deadline};

use super::{FIRST_MARKS, LAST_MARK, SELECT, Shop, WITHIN, orders};
use crate::world::delivered;

const TABLE: &str = "shop.orders";
/// Two chunks, and the rows of both are changed.
const ORDERS: u32 = 1_200;
const SEEN: &str = "SELECT SUM(quantity) FROM shop.orders";
/// Without GTIDs.
const OFF: [&str; 2] = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];

/// How a server makes what was sent visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Gtids,
    Lock,
    Time,
    Snapshot,
}

impl Rule {
    /// Of [`FIRST_MARKS`].
    fn mark(self) -> usize {
        match self {
            Self::Gtids => 0,
            Self::Lock | Self::Time => 1,
            Self::Snapshot => 2,
        }
    }

    /// What follows the SELECT on its connection.
    fn behind_select(self) -> &'static str {
        match self {
            Self::Snapshot => "COMMIT",
            _ => LAST_MARK,
        }
    }
}

fn change(quantity: i32) -> String {
    format!("UPDATE shop.orders SET quantity = {quantity} WHERE id % 100 = 0")
}

/// Waits until the program waits in the server with its first mark.
async fn waits(shop: &Shop, rule: Rule) -> anyhow::Result<()> {
    let statement = FIRST_MARKS[rule.mark()].trim_start_matches('\u{3}');
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'headwater' AND info LIKE '%{statement}%'"
    );
    let deadline = Deadline::after(WITHIN, format!("{statement} to wait"));
    while shop.world.mysql.query_value(&sql).await? == "0" {
        deadline.pause().await?;
    }
    Ok(())
}

async fn the_newer_value_wins(shop: Shop, mut witness: Witness, rule: Rule) -> anyhow::Result<()> {
    let server = &shop.world.mysql;
    let description = shop.wire.gate("SHOW INDEX");
    let program = shop.launch(TABLE)?.start()?;
    description.reached(1).await?;

    // All of it has been sent when the window opens.
    let held = witness.hold(server, &change(-1), SEEN).await?;
    delivered(&program, server).await?;
    let mark = shop.first_mark(rule.mark());
    drop(description);
    mark.reached(1).await?;
    let select = shop.wire.gate(SELECT);
    match rule {
        Rule::Gtids | Rule::Lock => {
            mark.pass(1);
            waits(&shop, rule).await?;
        }
        // It looks again and again.
        Rule::Snapshot => {
            mark.pass(3);
            mark.reached(4).await?;
        }
        Rule::Time => mark.pass(1),
    }
    if rule != Rule::Time {
        assert_eq!(select.came(), 0, "it has not waited");
        witness.let_go()?;
    }
    held.committed().await?;
    witness.let_go()?;
    drop(select);
    let passed = mark.came();
    mark.pass(passed);

    // The window is open when it is sent.
    mark.reached(passed + 1).await?;
    let held = witness.hold(server, &change(-2), SEEN).await?;
    delivered(&program, server).await?;
    let read = shop.wire.gate_behind(SELECT, rule.behind_select());
    drop(mark);
    match rule {
        Rule::Gtids | Rule::Snapshot => {
            read.reached(1).await?;
            assert!(held.is_held(), "the SELECT was to see the older value");
        }
        Rule::Lock => waits(&shop, rule).await?,
        Rule::Time => (),
    }
    drop(read);
    witness.let_go()?;
    held.committed().await?;
    let consumer = shop.ends_well(program, &[TABLE]).await?;
    assert_eq!(consumer.ends_of(TABLE), 1);
    Ok(())
}

#[tokio::test]
async fn no_older_value_follows_a_change_that_waits_for_its_commit_with_gtids() -> anyhow::Result<()>
{
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let witness = Witness::of(&shop.world.mysql).await?;
    the_newer_value_wins(shop, witness, Rule::Gtids).await
}

#[tokio::test]
async fn no_older_value_follows_a_change_that_waits_for_its_commit_with_locks() -> anyhow::Result<()>
{
    let grant = "GRANT LOCK TABLES ON *.* TO 'headwater'@'%'";
    let shop = Shop::new(&format!("{grant}; {}", orders(ORDERS)), &OFF).await?;
    let witness = Witness::of(&shop.world.mysql).await?;
    the_newer_value_wins(shop, witness, Rule::Lock).await
}

/// The longest commit is waited out: so long does the source wait, and no longer.
#[tokio::test]
async fn no_older_value_follows_a_change_that_waits_for_its_commit_without_either()
-> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &OFF).await?;
    let witness = Witness::within(&shop.world.mysql, Duration::from_secs(6)).await?;
    the_newer_value_wins(shop, witness, Rule::Time).await
}

#[tokio::test]
async fn no_older_value_follows_a_change_that_waits_for_its_commit_on_mariadb() -> anyhow::Result<()>
{
    let shop = Shop::mariadb(&orders(ORDERS)).await?;
    let witness = Witness::of(&shop.world.mysql).await?;
    the_newer_value_wins(shop, witness, Rule::Snapshot).await
}
