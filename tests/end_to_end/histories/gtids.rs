//! What GTIDs say of a log: what it cannot bring any more has been had, and what has been had it must not bring.

use headwater_harness::{mysql::MySql, program::Finished};

use super::{Origin, relays::Relayed};
use crate::world::{WITHIN, says};

/// What a backup holds, of a server that is no more.
const BACKUP: &str = "11111111-1111-1111-1111-111111111111:1-5000";

/// As from a backup: the table, and `purged` by hand.
async fn restore(server: &MySql, purged: &str) -> anyhow::Result<()> {
    let sql = format!("RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged = '{purged}'");
    server.exec(&sql).await
}

/// A second server with the same table.
async fn twin(purged: &str) -> anyhow::Result<MySql> {
    let server = MySql::start().await?;
    server
        .exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        .await?;
    restore(&server, purged).await?;
    Ok(server)
}

impl Origin {
    /// From here on, as `mysqldump --source-data` says it.
    async fn run_from(&self, start: &str) -> anyhow::Result<Finished> {
        let launch = self.launch()?.setting("source.start", start);
        launch.arg("--until").arg("now").finish(WITHIN).await
    }

    async fn run_on(&self, server: &MySql) -> anyhow::Result<Finished> {
        let launch = self.launch()?;
        let launch = launch.setting("source.url", &server.headwater_url());
        launch.arg("--until").arg("now").finish(WITHIN).await
    }

    async fn stored_gtids(&self) -> anyhow::Result<String> {
        let shown = self.command(&["position", "show"]).await?;
        says(&shown, 0, &["GTID set"]);
        Ok(shown.text())
    }
}

#[tokio::test]
async fn what_was_purged_by_hand_has_been_had_from_any_place_on() -> anyhow::Result<()> {
    let origin = Origin::mysql(&[]).await?;
    restore(&origin.server, BACKUP).await?;
    origin.insert(100..103).await?;
    let (file, offset) = origin.server.position().await?;
    origin.insert(103..105).await?;
    // In the middle of a file, at the head of one, behind a rotation; and by `position set`.
    for start in [format!("{file}:{offset}"), format!("{file}:4")] {
        says(&origin.run_from(&start).await?, 0, &[]);
        let stored = origin.stored_gtids().await?;
        assert!(stored.contains(BACKUP), "{start}: {stored}");
        assert!(
            stored.contains(":1-5\n") || stored.contains(":1-5,"),
            "{start}: {stored}"
        );
        says(&origin.command(&["position", "clear"]).await?, 0, &[]);
    }
    says(&origin.run_from(&format!("{file}:{offset}")).await?, 0, &[]);
    let set = format!("{file}:{offset}");
    says(&origin.command(&["position", "set", &set]).await?, 0, &[]);
    let stored = origin.stored_gtids().await?;
    assert!(stored.contains(BACKUP), "{stored}");
    Ok(())
}

#[tokio::test]
async fn what_is_purged_by_hand_while_it_is_read_has_been_had() -> anyhow::Result<()> {
    let origin = Origin::mysql(&[]).await?;
    origin.insert(100..103).await?;
    says(&origin.run_to_now().await?, 0, &[]);
    let program = origin.launch()?.start()?;
    let add = format!("SET GLOBAL gtid_purged = '+{BACKUP}'");
    origin.server.exec(&add).await?;
    origin.insert(103..105).await?;
    origin.has_sent(5).await?;
    says(&program.drain(WITHIN).await?, 0, &[]);
    // Known from the next connection on.
    origin.insert(105..106).await?;
    says(&origin.run_to_now().await?, 0, &[]);
    let stored = origin.stored_gtids().await?;
    assert!(stored.contains(BACKUP), "{stored}");
    assert_eq!(origin.sent()?, Vec::from_iter(100..106));
    Ok(())
}

#[tokio::test]
async fn two_servers_that_were_restored_from_one_backup_take_over_from_each_other()
-> anyhow::Result<()> {
    let (mut origin, second) = tokio::try_join!(Origin::mysql(&[]), twin(BACKUP))?;
    restore(&origin.server, BACKUP).await?;
    second.replica_of(&origin.server).await?;
    let (file, offset) = origin.server.position().await?;
    origin.insert(100..110).await?;
    says(&origin.run_from(&format!("{file}:{offset}")).await?, 0, &[]);
    second.caught_up_with(&origin.server).await?;
    origin.server.kill()?;
    second.promote().await?;
    second.exec("INSERT INTO d.t VALUES (110)").await?;
    says(&origin.run_on(&second).await?, 0, &[]);
    assert_eq!(origin.sent()?, Vec::from_iter(100..111));
    assert_eq!(origin.lines()?.len(), 11, "nothing comes twice");
    Ok(())
}

#[tokio::test]
async fn a_replica_made_from_a_backup_hands_over_to_its_primary_without_the_old_history()
-> anyhow::Result<()> {
    // The primary's log still has what the backup holds.
    let mut origin = Origin::mysql(&[]).await?;
    let primary = MySql::start().await?;
    primary
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1)",
        )
        .await?;
    restore(&origin.server, &primary.gtid_executed().await?).await?;
    origin.server.exec("INSERT INTO d.t VALUES (1)").await?;
    restore(&origin.server, &primary.gtid_executed().await?).await?;
    origin.server.replica_of(&primary).await?;
    let (file, offset) = origin.server.position().await?;
    primary.exec("INSERT INTO d.t VALUES (100)").await?;
    origin.server.caught_up_with(&primary).await?;
    says(&origin.run_from(&format!("{file}:{offset}")).await?, 0, &[]);
    origin.server.kill()?;
    primary.exec("INSERT INTO d.t VALUES (101)").await?;
    says(&origin.run_on(&primary).await?, 0, &[]);
    assert_eq!(origin.sent()?, [100, 101]);
    assert_eq!(origin.lines()?.len(), 2, "nothing else comes");
    Ok(())
}

#[tokio::test]
async fn what_another_server_has_in_another_order_may_come_again_and_is_no_other_history()
-> anyhow::Result<()> {
    let (origin, second) = tokio::try_join!(Origin::mysql(&[]), twin(BACKUP))?;
    restore(&origin.server, BACKUP).await?;
    let put = async |server: &MySql, number: u32| {
        let gtid = BACKUP.replace("1-5000", &number.to_string());
        let sql = format!(
            "SET gtid_next = '{gtid}'; INSERT INTO d.t VALUES ({number}); SET gtid_next = 'AUTOMATIC'"
        );
        server.exec(&sql).await
    };
    for number in [6001, 6003] {
        put(&origin.server, number).await?;
    }
    for number in [6001, 6002, 6003, 6004] {
        put(&second, number).await?;
    }
    says(&origin.run_to_now().await?, 0, &[]);
    for _ in 0..2 {
        says(&origin.run_on(&second).await?, 0, &[]);
    }
    assert_eq!(origin.sent()?, [6001, 6002, 6003, 6004]);
    assert_eq!(origin.lines()?.len(), 5, "6003 comes twice");
    Ok(())
}

/// The head of every file says the time of the first one: as if all had been created within one second.
fn forge_creation(relayed: &Relayed) {
    const FORMAT_DESCRIPTION: u8 = 15;
    const CHECKSUM_BYTES: usize = 4;
    const FLAGS: usize = 17;
    let mut created: Option<Vec<u8>> = None;
    relayed.wire.rewrite(move |event| {
        let mut event = event.to_vec();
        if event[4] == FORMAT_DESCRIPTION {
            let created = created.get_or_insert_with(|| event[..4].to_vec());
            event[..4].copy_from_slice(created);
            event.truncate(event.len() - CHECKSUM_BYTES);
            // "In use" is left out.
            let mut covered = event.clone();
            covered[FLAGS] &= !1;
            event.extend(crc32fast::hash(&covered).to_le_bytes());
        }
        vec![event]
    });
}

/// Half as many transactions of twice the size, so that offsets fit and GTIDs are behind.
async fn larger(origin: &Origin, ids: std::ops::Range<u32>) -> anyhow::Result<()> {
    for id in ids {
        let sql =
            format!("INSERT INTO d.u VALUES ({id}, REPEAT('x', @@GLOBAL.wait_timeout - 10000))");
        origin.server.exec(&sql).await?;
    }
    Ok(())
}

async fn halts_where_a_transaction_comes_again(origin: Origin) -> anyhow::Result<()> {
    let offset = async || anyhow::Ok(origin.server.position().await?.1);
    origin
        .server
        .exec("CREATE TABLE d.u (id INT PRIMARY KEY, note VARBINARY(2000)); SET GLOBAL wait_timeout = 10000")
        .await?;
    // How long a note doubles a transaction.
    origin.reset().await?;
    let head = offset().await?;
    origin.insert(900..901).await?;
    let small = offset().await?;
    larger(&origin, 900..901).await?;
    let large = offset().await?;
    let note = 2 * (small - head) - (large - small);
    let sql = format!("SET GLOBAL wait_timeout = {}", 10_000 + note);
    origin.server.exec(&sql).await?;
    origin.reset().await?;

    let relayed = Relayed::new(origin).await?;
    let origin = &relayed.origin;
    forge_creation(&relayed);
    origin.insert(100..110).await?;
    let run = async || {
        let launch = relayed.launch()?.arg("--until").arg("now");
        launch.finish(WITHIN).await
    };
    says(&run().await?, 0, &[]);
    let before = origin.server.position().await?;
    origin.server.exec(origin.reset).await?;
    larger(origin, 200..205).await?;
    assert_eq!(origin.server.position().await?, before, "offsets fit");
    // The server has not even executed what was read.
    for _ in 0..2 {
        let words = [
            "log was reset",
            "lacks transactions that have been read",
            "position set",
        ];
        says(&run().await?, 1, &words);
    }
    larger(origin, 205..212).await?;
    for _ in 0..2 {
        let words = ["log was reset", "has been read before", "position set"];
        says(&run().await?, 1, &words);
    }
    assert_eq!(origin.sent()?, Vec::from_iter(100..110));
    Ok(())
}

#[tokio::test]
async fn a_log_of_the_same_second_halts_where_a_gtid_comes_again_or_is_lacking()
-> anyhow::Result<()> {
    halts_where_a_transaction_comes_again(Origin::mysql(&[]).await?).await
}

#[tokio::test]
async fn a_log_of_mariadb_of_the_same_second_halts_where_a_gtid_comes_again_or_is_lacking()
-> anyhow::Result<()> {
    halts_where_a_transaction_comes_again(Origin::mariadb().await?).await
}

#[tokio::test]
async fn a_set_to_start_after_that_does_not_fit_is_said_of_the_setting() -> anyhow::Result<()> {
    let origin = Origin::mysql(&[]).await?;
    restore(&origin.server, BACKUP).await?;
    origin.insert(100..103).await?;
    let executed = origin.server.gtid_executed().await?;
    let lacking = origin.run_from(&BACKUP.replace("5000", "4000")).await?;
    says(
        &lacking,
        1,
        &["source.start lacks transactions", ":4001-5000"],
    );
    let ahead = origin.run_from(&executed.replace("5000", "6000")).await?;
    says(&ahead, 1, &["source.start has transactions", ":5001-6000"]);
    for told in [lacking, ahead] {
        assert!(!told.text().contains("read so far") && !told.text().contains("failover"));
    }
    Ok(())
}
