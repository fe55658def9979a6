//! What a table is, whether it can be copied, and how much of it comes at once.

use headwater::mysql::{TableToCopy, Verdict, check_snapshots};
use headwater_actors::{
    failure::Class,
    ports::snapshot::{ChunkAnswer, ChunkAsk, ChunkPart, DescribeAnswer, SnapshotSource},
    snapshot::KeyRange,
};
use headwater_harness::mysql::MySql;

use super::copies::{
    ask, chunk, copy, d, describe, described, keys, numbers, prepare, sent, server_order,
    snapshots, table,
};
use crate::log::plan;

async fn refusal(server: &MySql, name: &str) -> String {
    let source = snapshots(server).await;
    match describe(&source, &sent(server).await, &d(name)).await {
        Ok(DescribeAnswer::Refused(reason)) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn what_has_no_consistent_read_or_no_rows_of_its_own_is_refused_and_what_is_gone_is_gone() {
    let server = MySql::start().await.expect("a server");
    let sql = "CREATE DATABASE d; CREATE TABLE d.m (n INT PRIMARY KEY) ENGINE = MyISAM; \
        CREATE TABLE d.t (n INT PRIMARY KEY); CREATE VIEW d.v AS SELECT * FROM d.t";
    server.exec(sql).await.expect("tables");
    assert!(refusal(&server, "m").await.contains("engine MyISAM"));
    assert!(refusal(&server, "v").await.contains("view"));
    let source = snapshots(&server).await;
    let now = sent(&server).await;
    for gone in [d("none"), table("nowhere", "t")] {
        let answer = describe(&source, &now, &gone).await;
        assert_eq!(answer.expect("an answer"), DescribeAnswer::Gone);
    }
    // A table that went and came meanwhile has other columns.
    let seen = described(&source, &now, &d("t")).await;
    for sql in [
        "DROP TABLE d.t",
        "CREATE TABLE d.t (k INT PRIMARY KEY)",
        "DROP TABLE d.t; CREATE TABLE d.t (n VARCHAR(10) PRIMARY KEY)",
        "DROP TABLE d.t; CREATE TABLE d.t (n INT)",
    ] {
        server.exec(sql).await.expect("changed");
        let answer = source.read(ask(&seen.description, &now, 10)).await;
        assert_eq!(answer.expect("an answer"), ChunkAnswer::Changed, "{sql}");
    }
}

#[tokio::test]
async fn what_mariadb_keeps_beside_its_rows_is_refused() {
    let server = MySql::mariadb(&[]).await.expect("a server");
    let sql = "CREATE DATABASE d; CREATE SEQUENCE d.s; \
        CREATE TABLE d.v (n INT PRIMARY KEY) WITH SYSTEM VERSIONING; \
        CREATE TABLE d.a (n INT PRIMARY KEY) ENGINE = Aria";
    server.exec(sql).await.expect("tables");
    assert!(refusal(&server, "s").await.contains("sequence"));
    assert!(refusal(&server, "v").await.contains("system-versioned"));
    assert!(refusal(&server, "a").await.contains("engine Aria"));
}

#[tokio::test]
async fn odd_names_and_hidden_keys_are_read_like_others() {
    let server = MySql::with(&["--show-gipk-in-create-table-and-information-schema=OFF"]).await;
    let server = server.expect("a server");
    prepare(&server).await;
    let sql = "CREATE DATABASE `a.b ``c'`; \
        CREATE TABLE `a.b ``c'`.`t.\"x`` y` (n INT, `k``.'` INT PRIMARY KEY, `select` INT); \
        INSERT INTO `a.b ``c'`.`t.\"x`` y` SELECT i, i * 2, 1 FROM d.seq; \
        SET sql_generate_invisible_primary_key = ON; CREATE TABLE d.hidden (n INT); \
        INSERT INTO d.hidden SELECT i FROM d.seq";
    server.exec(sql).await.expect("tables");
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    let odd = table("a.b `c'", "t.\"x` y");
    let seen = described(&source, &now, &odd).await;
    let order = server_order(&server, "`a.b ``c'`.`t.\"x`` y`", "n").await;
    assert_eq!(copy(&source, &now, &seen, 333).await, order);
    let seen = described(&source, &now, &d("hidden")).await;
    assert!(seen.description.key_text.contains("my_row_id"));
    assert_eq!(seen.description.columns.len(), 2);
    let order = server_order(&server, "d.hidden", "my_row_id").await;
    assert_eq!(copy(&source, &now, &seen, 333).await, order);
}

#[tokio::test]
async fn a_table_without_a_key_comes_whole_with_its_double_rows_or_not_at_all() {
    let server = MySql::start().await.expect("a server");
    prepare(&server).await;
    let sql = "CREATE TABLE d.t (n INT, k INT, UNIQUE (k), UNIQUE (n, k)); \
        INSERT INTO d.t SELECT i % 10, NULL FROM d.seq; \
        CREATE TABLE d.p (n INT, k VARCHAR(50) NOT NULL, PRIMARY KEY (k(33))); \
        INSERT INTO d.p SELECT i, SUBSTR(SHA2(i, 256), 1, 40) FROM d.seq";
    server.exec(sql).await.expect("tables");
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    for name in ["t", "p"] {
        let seen = described(&source, &now, &d(name)).await;
        assert!(seen.description.key.is_empty());
        let whole = chunk(&source, ask(&seen.description, &now, 10)).await;
        let mut found = numbers(&seen.description, &whole);
        found.sort_unstable();
        assert!(whole.is_end);
        assert_eq!(
            found,
            server_order(&server, &format!("d.{name}"), "n").await
        );
        let small = ChunkAsk {
            bytes_max: 1000,
            ..ask(&seen.description, &now, 10)
        };
        match source.read(small).await.expect("an answer") {
            ChunkAnswer::TooLarge(reason) => assert!(reason.contains("1000 bytes"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_chunk_ends_with_its_bytes_and_the_next_goes_on_behind_it() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        prepare(&server).await;
        let sql = "CREATE TABLE d.t (n INT PRIMARY KEY, b LONGBLOB); \
            INSERT INTO d.t SELECT i, REPEAT('x', 1 << 20) FROM d.seq WHERE i < 24";
        server.exec(sql).await.expect("tables");
        let (source, now) = (snapshots(&server).await, sent(&server).await);
        let seen = described(&source, &now, &d("t")).await;
        let mut cut = ChunkAsk {
            bytes_max: 5 << 19,
            ..ask(&seen.description, &now, 1000)
        };
        let mut found = Vec::new();
        loop {
            let chunk = chunk(&source, cut.clone()).await;
            assert!(chunk.images.len() < 4 << 20, "{} bytes", chunk.images.len());
            found.extend(numbers(&seen.description, &chunk));
            if chunk.is_end {
                break;
            }
            let ChunkPart::Range(range) = &mut cut.part else {
                panic!("a range");
            };
            range.after = keys(&seen.description, &chunk).pop();
        }
        assert_eq!(found, (0..24).collect::<Vec<i64>>());
    }
}

#[tokio::test]
async fn a_large_table_by_integers_is_read_in_ranges_that_hold_each_row_once() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        prepare(&server).await;
        let sql = "CREATE TABLE d.u (k BIGINT UNSIGNED, n INT, PRIMARY KEY (k, n)); \
            CREATE TABLE d.s (n INT, k BIGINT PRIMARY KEY); \
            INSERT INTO d.u SELECT 18446744073709551615 - CAST(a.i AS DECIMAL(30)) * 9000000000000000, b.i \
                FROM d.seq a, d.seq b WHERE b.i < 20; \
            INSERT INTO d.s SELECT b.i, -9223372036854775807 - 1 + CAST(a.i AS DECIMAL(30)) * 9000000000000000 + b.i \
                FROM d.seq a, d.seq b WHERE b.i < 20; \
            ANALYZE TABLE d.u; ANALYZE TABLE d.s";
        server.exec(sql).await.expect("tables");
        let (source, now) = (snapshots(&server).await, sent(&server).await);
        for (name, order) in [("u", "k, n"), ("s", "k")] {
            let seen = described(&source, &now, &d(name)).await;
            assert!(seen.rows_estimate > 20_000, "{}", seen.rows_estimate);
            assert_eq!(seen.ranges.len(), 4, "{name}");
            let found = copy(&source, &now, &seen, 5_000).await;
            let expected = server_order(&server, &format!("d.{name}"), order).await;
            assert_eq!(expected.len(), 40_000);
            assert!(found == expected, "{name}: {} rows", found.len());
        }
    }
}

#[tokio::test]
async fn a_condition_leaves_rows_out_and_one_that_the_server_refuses_says_so() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        prepare(&server).await;
        let sql = "CREATE TABLE d.t (n INT PRIMARY KEY, u INT UNSIGNED NOT NULL); \
            INSERT INTO d.t SELECT i, i FROM d.seq";
        server.exec(sql).await.expect("tables");
        let (source, now) = (snapshots(&server).await, sent(&server).await);
        let seen = described(&source, &now, &d("t")).await;
        let asked = |condition: &str| ChunkAsk {
            condition: Some(condition.into()),
            ..ask(&seen.description, &now, 5000)
        };
        let some = chunk(&source, asked("n < 3 OR n = 7 -- few")).await;
        assert_eq!(numbers(&seen.description, &some), [0, 1, 2, 7]);
        for refused in [
            "no_such = 1",
            "n = ",
            "n = ?",
            "u - 5 > 0",
            "n) UNION SELECT (1",
        ] {
            let failure = source.read(asked(refused)).await.expect_err(refused);
            assert_eq!(failure.class, Class::Definite, "{refused}: {failure}");
            assert!(failure.to_string().contains("condition"), "{failure}");
            let hint = failure.hint.expect("a hint");
            assert!(hint.contains("snapshot.runs"), "{hint}");
        }
        // The connection is as it was.
        assert_eq!(
            chunk(&source, ask(&seen.description, &now, 5000))
                .await
                .rows,
            2000
        );
    }
}

#[tokio::test]
async fn ranges_end_with_the_last_key_that_was_there_and_an_empty_table_has_none() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        let sql = "CREATE DATABASE d; CREATE TABLE d.t (n INT, k VARCHAR(9), PRIMARY KEY (k, n))";
        server.exec(sql).await.expect("a table");
        let source = snapshots(&server).await;
        let seen = described(&source, &sent(&server).await, &d("t")).await;
        assert_eq!(seen.ranges, []);
        let sql = "INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'b')";
        server.exec(sql).await.expect("rows");
        let seen = described(&source, &sent(&server).await, &d("t")).await;
        let sql = "INSERT INTO d.t VALUES (0, 'b'), (4, 'b'), (0, 'c')";
        server.exec(sql).await.expect("rows");
        let now = sent(&server).await;
        assert_eq!(copy(&source, &now, &seen, 1).await, [1, 0, 2, 3]);
    }
}

#[tokio::test]
async fn few_rows_among_many_are_found_without_one_long_statement() {
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        prepare(&server).await;
        let sql = "CREATE TABLE d.t (n INT, k INT, PRIMARY KEY (n, k)); \
            INSERT INTO d.t SELECT a.i, b.i FROM d.seq a, d.seq b WHERE b.i < 30";
        server.exec(sql).await.expect("tables");
        let (source, now) = (snapshots(&server).await, sent(&server).await);
        let seen = described(&source, &now, &d("t")).await;
        let whole = KeyRange::default();
        for (condition, expected) in [
            ("k = 7 AND n IN (3, 1500, 1999)", vec![3, 1500, 1999]),
            ("n > 1997 AND k < 2", vec![1998, 1998, 1999, 1999]),
            ("n < 0", vec![]),
        ] {
            for rows_max in [2, 1000] {
                let mut wanted = ChunkAsk {
                    condition: Some(condition.into()),
                    part: ChunkPart::Range(whole.clone()),
                    ..ask(&seen.description, &now, rows_max)
                };
                let mut found = Vec::new();
                // It may say that it looks on.
                loop {
                    let chunk = match source.read(wanted.clone()).await.expect("an answer") {
                        ChunkAnswer::Busy(_) => continue,
                        ChunkAnswer::Read(chunk) => chunk,
                        other => panic!("{other:?}"),
                    };
                    found.extend(numbers(&seen.description, &chunk));
                    if chunk.is_end {
                        break;
                    }
                    wanted.part = ChunkPart::Range(KeyRange {
                        after: keys(&seen.description, &chunk).pop(),
                        until: None,
                    });
                }
                assert_eq!(found, expected, "{condition}, {rows_max} at once");
            }
        }
    }
}

#[tokio::test]
async fn what_an_account_starts_with_changes_no_row() {
    let init = "SET NAMES latin1; SET sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH', \
        time_zone = '+05:30', sql_select_limit = 3, autocommit = 0, sql_auto_is_null = 1; SELECT 1";
    for server in [MySql::start().await, MySql::mariadb(&[]).await] {
        let server = server.expect("a server");
        prepare(&server).await;
        let sql = "SET NAMES utf8mb4, time_zone = '+00:00'; \
            CREATE TABLE d.t (n INT PRIMARY KEY, c CHAR(5) CHARACTER SET utf8mb4, \
            t TIMESTAMP(3) NOT NULL, f FLOAT, e ENUM('ä', 'b') CHARACTER SET latin1); \
            INSERT INTO d.t SELECT i, 'é', '2026-11-30 12:00:00.125', 1.1, 1 FROM d.seq";
        server.exec(sql).await.expect("tables");
        let now = sent(&server).await;
        let mut images = Vec::new();
        for init in ["", init] {
            let sql = format!("SET GLOBAL init_connect = \"{init}\"");
            server.exec(&sql).await.expect("set");
            let source = snapshots(&server).await;
            let seen = described(&source, &now, &d("t")).await;
            let chunk = chunk(&source, ask(&seen.description, &now, 5000)).await;
            assert_eq!(chunk.rows, 2000);
            images.push(chunk.images);
        }
        assert!(images[0] == images[1], "the images differ");
    }
}

#[tokio::test]
async fn a_table_that_the_account_may_not_read_waits_for_its_grant() {
    let server = MySql::start().await.expect("a server");
    let sql = "CREATE DATABASE d; CREATE TABLE d.t (n INT PRIMARY KEY); \
        REVOKE SELECT ON *.* FROM 'headwater'@'%'; CREATE TABLE d.o (n INT PRIMARY KEY); \
        GRANT SELECT ON d.o TO 'headwater'@'%'";
    server.exec(sql).await.expect("tables");
    let (source, now) = (snapshots(&server).await, sent(&server).await);
    let failure = describe(&source, &now, &d("t")).await.expect_err("denied");
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let hint = failure.hint.expect("a hint");
    assert!(
        hint.starts_with("GRANT SELECT ON `d`.`t` TO 'headwater'"),
        "{hint}"
    );
    let seen = described(&source, &now, &d("o")).await;
    server
        .exec("REVOKE SELECT ON d.o FROM 'headwater'@'%'")
        .await
        .expect("revoked");
    let failure = source.read(ask(&seen.description, &now, 10)).await;
    let failure = failure.expect_err("denied");
    assert_eq!(failure.class, Class::Transient, "{failure}");
    server
        .exec("GRANT SELECT ON d.* TO 'headwater'@'%'")
        .await
        .expect("granted");
    assert!(
        chunk(&source, ask(&seen.description, &now, 10))
            .await
            .is_end
    );
    described(&source, &now, &d("t")).await;
}

#[tokio::test]
async fn a_check_names_key_rows_and_what_is_refused() {
    let server = MySql::start().await.expect("a server");
    prepare(&server).await;
    let sql = "CREATE TABLE d.t (n INT PRIMARY KEY); CREATE TABLE d.k (n INT); \
        CREATE TABLE d.m (n INT) ENGINE = MyISAM; \
        CREATE TABLE d.x (n INT, k INT, PRIMARY KEY (n DESC, k))";
    server.exec(sql).await.expect("tables");
    let to_copy = |name: &str, condition: Option<&str>| TableToCopy {
        name: d(name),
        condition: condition.map(Into::into),
    };
    let tables = [
        to_copy("t", Some("n > 1")),
        to_copy("k", None),
        to_copy("m", None),
        to_copy("x", None),
        to_copy("seq", Some("nothing = 1")),
        to_copy("later", None),
    ];
    let checks = check_snapshots(&plan(&server), &tables).await;
    let checks = checks.expect("checks");
    let expected = [
        (Verdict::Ok, "GTIDs"),
        (Verdict::Ok, "d.t: by `PRIMARY` (`n` int)"),
        (Verdict::Warn, "d.k: about 0 rows in one piece"),
        (Verdict::Warn, "engine MyISAM"),
        (Verdict::Warn, "filesort"),
        (
            Verdict::Fail,
            "d.seq: the server does not take the condition",
        ),
        (Verdict::Ok, "not there yet"),
    ];
    assert_eq!(checks.len(), expected.len(), "{checks:#?}");
    for (check, (verdict, part)) in checks.iter().zip(expected) {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.found.contains(part), "{check:?}");
    }
}
