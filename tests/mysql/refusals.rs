//! Servers that cannot be read: each says why and what to do.

use std::time::Duration;

use bytes::BytesMut;
use headwater::{
    mysql::{
        StartPlan, TlsMode, Verdict,
        connect::connect,
        connection::Connection,
        dump::{Ask, AtLogEnd, Replica, Taken},
        preflight, resolve_start,
    },
    password::Password,
    secret::Secret,
};
use headwater_actors::{
    checkpoint::OrderingKey, failure::Failure, filter::TableFilter, ports::source::Read,
};
use headwater_binlog::position::{FileName, Position};
use headwater_harness::mysql::MySql;

use crate::log::{Reading, definite, host, plan, tls, transient};

fn everything() -> TableFilter {
    TableFilter::new(&["*.*".to_owned()]).expect("a pattern")
}

#[tokio::test]
async fn wrong_accounts_hosts_and_privileges_are_told() {
    let mut server = MySql::start().await.expect("a server");
    let good = plan(&server);

    let mut wrong = good.clone();
    wrong.password = Password::known("source.url", Secret::new("not-it"));
    let failure = definite(connect(&wrong).await);
    assert!(failure.to_string().contains("1045"), "{failure}");
    assert!(!failure.to_string().contains("not-it"), "{failure}");

    server
        .create_user("bare", "let-it-flow", "SELECT")
        .await
        .expect("a user");
    let mut bare = good.clone();
    bare.user = "bare".into();
    let failure = definite(resolve_start(&bare, "source.start").await);
    let hint = failure.hint.expect("a hint");
    assert!(
        hint.contains("GRANT REPLICATION SLAVE") && hint.contains("'bare'"),
        "{hint}"
    );

    let mut unknown = good.clone();
    unknown.hosts[0].name = "no-such-host.invalid".into();
    let failure = transient(connect(&unknown).await);
    assert!(failure.to_string().contains("unknown host"), "{failure}");
    unknown.hosts.push(host(&server));
    assert!(connect(&unknown).await.is_ok());

    server.stop().await.expect("stopped");
    let failure = transient(connect(&good).await);
    assert!(failure.to_string().contains("127.0.0.1"), "{failure}");
}

#[tokio::test]
async fn tls_is_verified_as_far_as_its_mode_says() {
    let server = MySql::start().await.expect("a server");
    let ca = Some(server.datadir().join("ca.pem"));
    let mut tried = plan(&server);
    for (mode, ca_file, encrypted) in [
        (TlsMode::Disabled, None, false),
        (TlsMode::Preferred, None, true),
        (TlsMode::Required, None, true),
        (TlsMode::VerifyCa, ca.clone(), true),
    ] {
        tried.tls = tls(mode, ca_file);
        tried.tls.allow_public_key_retrieval = true;
        let mut conn = connect(&tried).await.expect("a connection");
        let answer = conn.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await;
        let rows = answer.expect("a status").rows;
        let cipher = rows[0].bytes(1).unwrap_or_default();
        assert_eq!(!cipher.is_empty(), encrypted, "{mode:?}");
    }
    // The server's own certificate carries no name, and the public authorities do not know it.
    tried.tls = tls(TlsMode::VerifyIdentity, ca);
    definite(connect(&tried).await);
    tried.tls = tls(TlsMode::VerifyCa, None);
    definite(connect(&tried).await);
    tried.tls = tls(TlsMode::VerifyCa, Some("no-such.pem".into()));
    let failure = definite(connect(&tried).await);
    assert!(failure.to_string().contains("no-such.pem"), "{failure}");
    tried.tls = tls(TlsMode::VerifyCa, Some(server.datadir().join("ca.pem")));
    Reading::start(&tried).await;
}

#[tokio::test]
async fn an_event_larger_than_the_limit_is_definite_and_names_the_setting() {
    let server = MySql::start().await.expect("a server");
    let mut small = plan(&server);
    small.event_bytes_max = 1 << 20;
    let (mut reading, _) = Reading::start(&small).await;
    let sql = "CREATE DATABASE d; CREATE TABLE d.t (b LONGBLOB);
        INSERT INTO d.t VALUES (REPEAT('x', 2 * 1024 * 1024))";
    server.exec(sql).await.expect("a row");
    let failure = loop {
        if let Err(failure) = reading.read().await {
            break failure;
        }
    };
    let failure = definite::<()>(Err(failure));
    assert!(
        failure
            .hint
            .expect("a hint")
            .contains("source.event_bytes_max")
    );
}

#[tokio::test]
async fn a_damaged_compressed_transaction_is_refused_before_its_first_part_leaves() {
    let server = MySql::start().await.expect("a server");
    let sql = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, b TEXT);
        SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = 6000;
        INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
          SELECT i, HEX(RANDOM_BYTES(1000)) FROM n";
    server.exec(sql).await.expect("changes");
    server.exec("FLUSH BINARY LOGS").await.expect("a new file");
    let files = server.binlog_files().expect("files");
    let path = &files[files.len() - 2];
    let mut bytes = std::fs::read(path).expect("a readable file");
    assert!(bytes.len() > 5 << 20);
    // In the middle of the payload, far behind what the first part holds.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, &bytes).expect("written");

    let mut earliest = plan(&server);
    earliest.start = StartPlan::Earliest;
    let (mut reading, _) = Reading::start(&earliest).await;
    let failure = loop {
        match reading.read().await {
            Ok(read) => assert_eq!(read, Read::Events),
            Err(failure) => break failure,
        }
    };
    let failure = definite::<()>(Err(failure));
    assert!(failure.to_string().contains("checksum"), "{failure}");
    assert!(
        failure.to_string().contains("TRANSACTION_PAYLOAD"),
        "{failure}"
    );
}

#[tokio::test]
async fn the_preflight_passes_a_good_server_and_names_what_a_bad_one_lacks() {
    let server = MySql::with(&["--sync-binlog=1"]).await.expect("a server");
    server
        .exec("CREATE DATABASE d; CREATE TABLE d.t (a INT)")
        .await
        .expect("a table");
    let good = plan(&server);
    let checks = preflight(&good, &everything(), &OrderingKey::Table, None, None)
        .await
        .expect("checks");
    assert!(
        checks.iter().all(|check| check.verdict != Verdict::Fail),
        "{checks:?}"
    );

    let sql = "SET GLOBAL binlog_format = 'STATEMENT', GLOBAL binlog_row_metadata = 'MINIMAL'";
    server.exec(sql).await.expect("set");
    server
        .create_user("bare", "let-it-flow", "SELECT")
        .await
        .expect("a user");
    let mut bad = good.clone();
    bad.user = "bare".into();
    bad.server_id = u32::from(server.port());
    let none = TableFilter::new(&["shop.*".to_owned()]).expect("a pattern");
    let checks = preflight(&bad, &none, &OrderingKey::Table, None, None)
        .await
        .expect("checks");
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| check.name)
        .collect();
    assert_eq!(
        failed,
        ["binlog_format", "privileges", "server_id", "source.tables"]
    );
    let lanes = OrderingKey::PrimaryKey { lanes: 4 };
    let checks = preflight(&good, &everything(), &lanes, None, None)
        .await
        .expect("checks");
    let last = checks.last().expect("a check");
    assert!(
        last.verdict == Verdict::Fail && last.found.contains("d.t"),
        "{last:?}"
    );
}

/// What a dump from `position` ends with.
async fn refused_at(server: &MySql, position: Position) -> Failure {
    let plan = plan(server);
    let connection = Connection::open(&plan, &plan.hosts[0]).await;
    let ask = Ask::Position(position);
    let dump = connection.expect("a connection").dump(
        &plan,
        Replica::stranger(),
        &ask,
        AtLogEnd::Stop,
        Duration::from_secs(60),
    );
    let mut dump = dump.await.expect("a dump");
    let mut event = BytesMut::new();
    loop {
        match dump.next(&mut event).await {
            Ok(taken) => assert_ne!(taken, Taken::End, "nothing was refused"),
            Err(failure) => break definite::<()>(Err(failure)),
        }
    }
}

/// The server's number for a dump that fails says nothing; only its text does.
#[tokio::test]
async fn what_is_wrong_with_a_position_is_told_by_mysql_and_by_mariadb() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        let files = server.binlog_files().expect("files");
        let name = files.last().and_then(|path| path.file_name());
        let name = FileName::parse(&name.expect("a file").to_string_lossy()).expect("a name");
        let beyond = Position::new(name.clone(), 1 << 30);
        let (base, _) = name.name.split_once('.').expect("a number behind the name");
        let gone = FileName::parse(&format!("{base}.000999")).expect("a name");
        for (position, wanted) in [
            (beyond, "the file is shorter than the position"),
            (Position::new(gone, 4), "no longer has this part of its log"),
        ] {
            let failure = refused_at(&server, position).await;
            assert!(failure.is_mysql(1236), "{failure}");
            let hint = failure.hint.clone().expect("a hint");
            assert!(hint.contains(wanted), "{failure}: {hint}");
        }
    }
}
