//! Tables that are logged without column names (`binlog_row_metadata=MINIMAL`): names are right or refused.

use std::path::Path;

use headwater_harness::{
    mysql::MySql,
    program::{Finished, Launch, Program},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, delivered, says};

/// A server that logs no names, and what the program has written to a file.
struct Minimal {
    mysql: MySql,
    folder: TempDir,
}

impl Minimal {
    async fn new(sql: &str) -> anyhow::Result<Self> {
        Self::with(&[], sql).await
    }

    async fn with(options: &[&str], sql: &str) -> anyhow::Result<Self> {
        let options = [&["--binlog-row-metadata=MINIMAL"], options].concat();
        Self::on(MySql::with(&options).await?, sql).await
    }

    async fn on(mysql: MySql, sql: &str) -> anyhow::Result<Self> {
        let minimal = Self {
            mysql,
            folder: tempfile::tempdir()?,
        };
        minimal.mysql.exec("CREATE DATABASE shop").await?;
        minimal.exec(sql).await?;
        Ok(minimal)
    }

    async fn exec(&self, sql: &str) -> anyhow::Result<()> {
        self.mysql.exec(&format!("USE shop; {sql}")).await
    }

    fn launch(&self) -> anyhow::Result<Launch> {
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\n[sink]\ntype = \"file\"\n\
             [sink.file]\npath = \"lines\"\n[checkpoint]\ninterval_ms = 50\n",
            self.mysql.headwater_url()
        );
        Launch::run(BINARY, self.folder.path(), &config)
    }

    async fn until_now(&self) -> anyhow::Result<Finished> {
        self.launch()?
            .arg("--until")
            .arg("now")
            .finish(WITHIN)
            .await
    }

    async fn catch_up(&self) -> anyhow::Result<()> {
        let finished = self.until_now().await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        Ok(())
    }

    /// Stops with these words, and again at the next start.
    async fn is_refused(&self, words: &[&str]) -> anyhow::Result<()> {
        for _ in 0..2 {
            says(&self.until_now().await?, 1, words);
        }
        Ok(())
    }

    async fn started(&self) -> anyhow::Result<Program> {
        let mut program = self.launch()?.start()?;
        program.wait_ready(WITHIN).await?;
        Ok(program)
    }

    fn lines(&self) -> anyhow::Result<Vec<Value>> {
        lines(&self.folder.path().join("lines"))
    }

    /// What the rows of a table held, in order.
    fn rows(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        let of_table = |line: &&Value| line["table"] == table && line["type"] != "ddl";
        let lines = self.lines()?;
        Ok(lines
            .iter()
            .filter(of_table)
            .map(|line| line["data"].clone())
            .collect())
    }
}

fn lines(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// One column of each type; the first row's labels need every escape that the server knows.
const TYPES: &str = r"CREATE TABLE types (
    id BIGINT UNSIGNED, tenant SMALLINT UNSIGNED NOT NULL, `na``me ü` VARCHAR(100),
    e ENUM('a','it''s','b\\c','x\ny','ü','') CHARACTER SET utf8mb4, s SET('q','ä') CHARACTER SET latin1,
    what ENUM('what?') CHARACTER SET latin1, be ENUM('x','é') CHARACTER SET binary,
    c CHAR(10) CHARACTER SET latin1, b BINARY(5), vb VARBINARY(300), t TEXT CHARACTER SET cp1251, tb TINYBLOB,
    d DECIMAL(10,2) UNSIGNED ZEROFILL, f FLOAT, f2 FLOAT(7,3), db DOUBLE UNSIGNED, y YEAR, bt BIT(10),
    ts TIMESTAMP(3) NULL, dt DATETIME, ti TIME(6), j JSON, g GEOMETRY, p POINT SRID 4326, ve VECTOR(3), bo BOOL,
    g1 INT AS (tenant + 1) VIRTUAL, g2 INT AS (tenant + 2) STORED INVISIBLE, m MEDIUMINT UNSIGNED, mi MEDIUMINT,
    ti1 TINYINT UNSIGNED, u INT UNSIGNED, lt LONGTEXT, mt MEDIUMTEXT CHARACTER SET utf32, c0 CHAR(0), dd DATE,
    nv NATIONAL VARCHAR(4), gc GEOMETRYCOLLECTION, INDEX fi ((tenant + 5)), INDEX mv ((CAST(j->'$.a' AS UNSIGNED ARRAY))),
    PRIMARY KEY (tenant, id))";
const ROW: &str = r#"INSERT INTO types (id, tenant, `na``me ü`, e, s, what, be, c, b, vb, t, tb, d, f, f2, db, y, bt, ts, dt, ti,
    j, g, p, ve, bo, m, mi, ti1, u, lt, mt, c0, dd, nv, gc) VALUES
    (18446744073709551615, 65535, 'ñ😀', 'x\ny', 'q,ä', 'what?', 'é', 'äö', x'0001', x'ff00', 'Привет', x'00', 1234567.89, 1.5,
    2.125, 1e300, 2026, 1023, '2026-11-23 01:02:03.456', '2026-01-02 03:04:05', '-838:59:58.999999', '{"a": [1, 2]}',
    POINT(1, 2), ST_SRID(POINT(1, 2), 4326), TO_VECTOR('[1,2,3]'), TRUE, 16777215, -8388608, 255, 4294967295, 'long', 'wide ü',
    '', '2026-02-28', 'nv', GEOMETRYCOLLECTION(POINT(1, 2)))"#;

/// The same row by names from the schema when it is inserted, and by those of the log when it is deleted.
#[tokio::test]
async fn every_type_is_what_a_log_with_names_says() -> anyhow::Result<()> {
    let minimal = Minimal::new(TYPES).await?;
    minimal.exec(ROW).await?;
    minimal
        .exec(&format!(
            "SET binlog_transaction_compression = ON; {}",
            ROW.replace("(18446744073709551615,", "(2,")
        ))
        .await?;
    let program = minimal.started().await?;
    delivered(&program, &minimal.mysql).await?;
    minimal
        .mysql
        .exec("SET GLOBAL binlog_row_metadata = FULL")
        .await?;
    minimal.exec("DELETE FROM types ORDER BY id DESC").await?;
    delivered(&program, &minimal.mysql).await?;
    program.drain(WITHIN).await?;
    let lines = minimal.lines()?;
    let of = |kind: &str| -> Vec<(Value, Value)> {
        let of_kind = lines.iter().filter(|line| line["type"] == kind);
        of_kind
            .map(|line| (line["key"].clone(), line["data"].clone()))
            .collect()
    };
    assert_eq!(of("insert").len(), 2);
    assert_eq!(of("insert"), of("delete"));
    let (key, data) = &of("insert")[0];
    assert_eq!(
        *key,
        json!({"tenant": 65535, "id": 18_446_744_073_709_551_615_u64})
    );
    assert_eq!(data["e"], "x\ny");
    assert_eq!(data["na`me ü"], "ñ😀");
    Ok(())
}

#[tokio::test]
async fn an_alter_in_the_stream_is_followed_at_its_place() -> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await?;
    let program = minimal.started().await?;
    let steps = [
        "INSERT INTO t VALUES (1, 10)",
        "ALTER TABLE t ADD b INT FIRST",
        "INSERT INTO t VALUES (20, 2, 21)",
        "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
        "INSERT INTO t VALUES (30, 3, 31)",
        "ALTER TABLE t MODIFY a INT AFTER b, DROP PRIMARY KEY",
        "INSERT INTO t VALUES (4, 40, 41)",
        "CREATE TABLE other LIKE t; INSERT INTO other VALUES (5, 50, 51)",
        "RENAME TABLE t TO gone, other TO t",
        "ALTER TABLE t CHANGE id no INT",
        "INSERT INTO t VALUES (6, 60, 61)",
    ];
    for step in steps {
        minimal.exec(step).await?;
        delivered(&program, &minimal.mysql).await?;
    }
    program.drain(WITHIN).await?;
    assert_eq!(
        minimal.rows("t")?,
        [
            json!({"id": 1, "a": 10}),
            json!({"b": 20, "id": 2, "a": 21}),
            json!({"a": 30, "id": 3, "b": 31}),
            json!({"id": 4, "b": 40, "a": 41}),
            json!({"no": 6, "b": 60, "a": 61}),
        ]
    );
    assert_eq!(minimal.rows("other")?, [json!({"id": 5, "b": 50, "a": 51})]);
    let text = std::fs::read_to_string(minimal.folder.path().join("headwater.checkpoint"))?;
    assert!(text.contains("\"columns\""), "{text}");
    assert_eq!(
        text.matches("\"since\"").count(),
        1,
        "only what is still true: {text}"
    );
    Ok(())
}

#[tokio::test]
async fn names_are_kept_with_the_checkpoint_while_the_table_is_altered_and_dropped()
-> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await?;
    minimal.exec("INSERT INTO t VALUES (1, 10)").await?;
    minimal.catch_up().await?;
    minimal
        .exec("INSERT INTO t VALUES (2, 20); ALTER TABLE t RENAME COLUMN a TO b; INSERT INTO t VALUES (3, 30)")
        .await?;
    minimal.catch_up().await?;
    minimal
        .exec("INSERT INTO t VALUES (4, 40); DROP TABLE t")
        .await?;
    minimal.catch_up().await?;
    let rows = [
        json!({"id": 1, "a": 10}),
        json!({"id": 2, "a": 20}),
        json!({"id": 3, "b": 30}),
        json!({"id": 4, "b": 40}),
    ];
    assert_eq!(minimal.rows("t")?, rows);
    Ok(())
}

#[tokio::test]
async fn names_that_two_alters_have_overtaken_are_refused_until_the_position_is_set_behind_them()
-> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)").await?;
    minimal.exec("INSERT INTO t VALUES (1, 10, 11)").await?;
    minimal.catch_up().await?;
    // After both, count, types and names are what they were; in between they were exchanged.
    let swap = "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a";
    minimal
        .exec(&format!("{swap}; INSERT INTO t VALUES (2, 20, 21); {swap}"))
        .await?;
    let (file, offset) = minimal.mysql.position().await?;
    let behind = format!("{file}:{offset}");
    let words = [
        "`shop.t` is logged without column names at binlog.",
        "has touched the table since",
        "binlog_row_metadata = 'FULL'",
    ];
    minimal.is_refused(&words).await?;
    minimal
        .is_refused(&[&format!("position set {behind}")])
        .await?;
    minimal.exec("INSERT INTO t VALUES (3, 30, 31)").await?;
    let set = Launch::new(
        BINARY,
        minimal.folder.path(),
        &["position", "set", "-c", "headwater.toml", &behind],
    )?;
    says(&set.finish(WITHIN).await?, 0, &[&behind]);
    minimal.catch_up().await?;
    let rows = [
        json!({"id": 1, "a": 10, "b": 11}),
        json!({"id": 3, "a": 30, "b": 31}),
    ];
    assert_eq!(minimal.rows("t")?, rows);
    Ok(())
}

#[tokio::test]
async fn a_backlog_is_named_up_to_the_alter_and_a_dropped_table_is_refused() -> anyhow::Result<()> {
    let minimal =
        Minimal::new("CREATE TABLE t (id INT PRIMARY KEY, a INT); CREATE TABLE x (id INT)").await?;
    // In several files, and with statements on other tables behind it.
    minimal
        .exec("INSERT INTO t VALUES (1, 10); FLUSH BINARY LOGS; INSERT INTO x VALUES (1); ALTER TABLE x ADD b INT")
        .await?;
    minimal
        .exec("FLUSH BINARY LOGS; TRUNCATE TABLE t; INSERT INTO t VALUES (2, 20)")
        .await?;
    minimal
        .is_refused(&[
            "`shop.x` is logged without column names",
            "has touched the table since",
        ])
        .await?;
    let rows = [json!({"id": 1, "a": 10})];
    assert_eq!(minimal.rows("t")?, rows);
    minimal.exec("DROP TABLE x").await?;
    minimal
        .is_refused(&[
            "the server no longer has the table",
            "position set binlog.000003:",
        ])
        .await?;
    let run = minimal
        .launch()?
        .setting("source.tables", "shop.t")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let rows = [
        json!({"id": 1, "a": 10}),
        Value::Null,
        json!({"id": 2, "a": 20}),
    ];
    assert_eq!(minimal.rows("t")?, rows);
    Ok(())
}

#[tokio::test]
async fn columns_that_do_not_fit_the_event_are_refused() -> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await?;
    minimal
        .exec("INSERT INTO t VALUES (1, 10); SET sql_log_bin = 0; ALTER TABLE t ADD b INT")
        .await?;
    minimal
        .is_refused(&[
            "`shop.t`",
            "do not fit: the event has 2 columns, the list 3",
            "sql_log_bin = 0",
        ])
        .await
}

#[tokio::test]
async fn a_label_that_the_schema_cannot_show_is_refused() -> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (e ENUM('😀') CHARACTER SET utf8mb4)").await?;
    minimal.exec("INSERT INTO t VALUES ('😀')").await?;
    minimal
        .is_refused(&["`shop.t`", "listed as `e`", "label with \"?\""])
        .await
}

#[tokio::test]
async fn a_log_that_leaves_statements_out_is_refused() -> anyhow::Result<()> {
    let minimal =
        Minimal::with(&["--binlog-ignore-db=elsewhere"], "CREATE TABLE t (id INT)").await?;
    minimal
        .is_refused(&["column names", "binlog_ignore_db = elsewhere", "'FULL'"])
        .await
}

#[tokio::test]
async fn check_says_where_names_come_from_and_which_privilege_is_missing() -> anyhow::Result<()> {
    let minimal = Minimal::new("CREATE TABLE t (id INT)").await?;
    minimal.launch()?;
    let check = || {
        Launch::new(
            BINARY,
            minimal.folder.path(),
            &["check", "-c", "headwater.toml"],
        )
    };
    let run = check()?.finish(WITHIN).await?;
    says(
        &run,
        0,
        &[
            "warn binlog_row_metadata: MINIMAL: column names come from information_schema",
            "SET PERSIST binlog_row_metadata = 'FULL' (RDS parameter group: binlog_row_metadata)",
            "ok   column names",
        ],
    );
    minimal
        .mysql
        .create_user("blind", "pw", "REPLICATION SLAVE, REPLICATION CLIENT")
        .await?;
    let run = check()?
        .setting("source.url", &minimal.mysql.url("blind", "pw"))
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &[
            "FAIL column names: SELECT missing",
            "SELECT ON *.* TO 'blind'@'%'",
        ],
    );
    let run = check()?
        .setting("source.unnamed_columns", "positional")
        .finish(WITHIN)
        .await?;
    says(&run, 0, &["columns are called @1, @2"]);
    Ok(())
}

#[tokio::test]
async fn a_file_without_names_is_refused_or_read_by_position() -> anyhow::Result<()> {
    let minimal = Minimal::new(
        "CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, e ENUM('a','b'), n VARCHAR(9), b BLOB)",
    )
    .await?;
    minimal
        .exec("INSERT INTO t VALUES (4294967295, 'b', 'ü', x'ff'); UPDATE t SET n = NULL")
        .await?;
    minimal.mysql.exec("FLUSH BINARY LOGS").await?;
    let file = minimal
        .mysql
        .binlog_files()?
        .remove(0)
        .display()
        .to_string();
    minimal.launch()?;
    let replay = || {
        Launch::new(
            BINARY,
            minimal.folder.path(),
            &["replay", "-c", "headwater.toml", &file],
        )
    };
    let run = replay()?.finish(WITHIN).await?;
    says(
        &run,
        1,
        &[
            "`shop.t` is logged without column names at binlog.000001:",
            "source.unnamed_columns = \"positional\"",
        ],
    );
    let run = replay()?
        .setting("source.unnamed_columns", "positional")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let lines = minimal.lines()?;
    let rows: Vec<&Value> = lines.iter().filter(|line| line["type"] != "ddl").collect();
    assert_eq!(
        rows[0]["data"],
        json!({"@1": 4_294_967_295_u64, "@2": 2, "@3": "ü", "@4": "/w=="})
    );
    assert_eq!(rows[1]["old"], json!({"@3": "ü"}));
    assert_eq!(rows[0].get("key"), None);
    Ok(())
}

/// MariaDB's NO_LOG, its default, writes no signs and character sets either.
#[tokio::test]
async fn mariadb_is_followed_like_mysql_and_knows_less() -> anyhow::Result<()> {
    let mysql = MySql::mariadb(&["--binlog-row-metadata=NO_LOG"]).await?;
    let minimal = Minimal::on(
        mysql,
        "CREATE TABLE t (tenant INT UNSIGNED, id BIGINT UNSIGNED, PRIMARY KEY (id, tenant), \
         e ENUM('a','it''s'), s SET('x','y'), l VARCHAR(20) CHARACTER SET latin1, u VARCHAR(100) CHARACTER SET utf8mb4, \
         vc VARCHAR(300) COMPRESSED, bc BLOB COMPRESSED, tx TEXT COMPRESSED CHARACTER SET cp1251, b BINARY(4), \
         p POINT, ts TIMESTAMP(6) NULL, y YEAR, d DECIMAL(8,3) UNSIGNED, h INT INVISIBLE, j JSON, i UUID, i6 INET6)",
    )
    .await?;
    minimal
        .exec(
            "INSERT INTO t (tenant, id, e, s, l, u, vc, bc, tx, b, p, ts, y, d, h, j, i, i6) VALUES (4294967295, 18446744073709551615, \
             'it''s', 'x,y', 'äö', '😀', REPEAT('v', 300), REPEAT('b', 200), 'Привет', x'0100', POINT(1, 2), \
             '2026-11-23 01:02:03.456789', 1901, 99999.999, 7, '{}', UUID(), '::1')",
        )
        .await?;
    minimal.catch_up().await?;
    minimal
        .exec("UPDATE t SET e = 'a'; ALTER TABLE t CHANGE l k VARCHAR(20) CHARACTER SET latin1; UPDATE t SET e = 'it''s'")
        .await?;
    minimal.catch_up().await?;
    minimal
        .mysql
        .exec("SET GLOBAL binlog_row_metadata = FULL")
        .await?;
    minimal.exec("DELETE FROM t").await?;
    minimal.catch_up().await?;
    let rows = minimal.rows("t")?;
    let [inserted, with_l, with_k, deleted] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!(with_k, deleted);
    assert_eq!(inserted["l"], "äö");
    assert_eq!(with_l["l"], "äö");
    assert_eq!(with_l.get("k"), None);
    assert_eq!(deleted["k"], "äö");
    let keys: Vec<Value> = minimal
        .lines()?
        .iter()
        .filter(|line| line["type"] != "ddl")
        .map(|line| line["key"].clone())
        .collect();
    assert!(
        keys.iter().all(|key| *key
            == json!({"id": 18_446_744_073_709_551_615_u64, "tenant": 4_294_967_295_u64}))
    );
    Ok(())
}
