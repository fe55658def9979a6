//! A PostgreSQL of one's own: what it holds outlives stops and kills, and who may log in how.

use headwater_harness::postgres::{PASSWORD, Postgres, READER, Session};

#[tokio::test]
async fn what_was_committed_outlives_a_stop_and_a_kill() -> anyhow::Result<()> {
    let mut server = Postgres::start().await?;
    let port = server.port();
    server
        .exec("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        .await?;
    server.stop().await?;
    assert!(server.session().await.is_err());
    server.start_again().await?;
    // A session that is open is cut off, also in the middle of a transaction.
    let session = server.session().await?;
    session.exec("BEGIN; INSERT INTO t VALUES (8)").await?;
    server.exec("INSERT INTO t VALUES (9)").await?;
    server.kill()?;
    assert!(session.exec("COMMIT").await.is_err());
    server.start_again().await?;
    assert_eq!(server.port(), port);
    let rows = server
        .query_rows("SELECT n, NULL FROM t ORDER BY n")
        .await?;
    assert_eq!(
        rows,
        [[Some("7".to_owned()), None], [Some("9".to_owned()), None]]
    );
    Ok(())
}

#[tokio::test]
async fn two_accounts_log_in_by_password_and_one_only_reads() -> anyhow::Result<()> {
    let server = Postgres::start().await?;
    server
        .exec("CREATE SCHEMA shop; CREATE TABLE shop.t (n int); INSERT INTO shop.t VALUES (7)")
        .await?;
    let wrong = server.url(READER).replace(PASSWORD, "wrong");
    assert!(Session::open(&wrong).await.is_err());
    let reader = Session::open(&server.url(READER)).await?;
    let rows = reader.query_rows("SELECT n FROM shop.t").await?;
    assert_eq!(rows, [[Some("7".to_owned())]]);
    assert!(reader.exec("DELETE FROM shop.t").await.is_err());
    let how = "SELECT DISTINCT left(rolpassword, 13) FROM pg_authid WHERE rolcanlogin";
    assert_eq!(server.query_value(how).await?, "SCRAM-SHA-256");
    Ok(())
}

#[tokio::test]
async fn with_tls_it_is_verified_and_takes_nothing_else() -> anyhow::Result<()> {
    let server = Postgres::with_tls().await?;
    assert!(server.session().await.is_err());
    let file = server.certificate_file().unwrap_or_default();
    let sql = "SELECT ssl, version LIKE 'TLSv1._' FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let verified = format!(
        "user={READER} dbname=postgres sslmode=verify-full sslrootcert={}",
        file.display()
    );
    let output = server.psql(&verified, sql)?.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "t|t\n");

    let another = Postgres::with_tls().await?;
    let output = another.psql(&verified, sql)?.output()?;
    assert!(!output.status.success());
    Ok(())
}
