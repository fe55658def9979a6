//! Keys of every type and collation: the cursor goes back to the server and means the same place there.

use headwater_actors::ports::snapshot::{ChunkAsk, ChunkPart};
use headwater_harness::mysql::MySql;
use mysql_async::prelude::Queryable;

use super::copies::{
    ask, chunk, copy, d, described, keys, numbers, prepare, prepare_many, sent, server_order,
    snapshots,
};

/// Of each table, where its key has so many values.
const ROWS: u32 = 10_000;

/// Name, columns with the key, what the key's values are for the number `i`, the key's columns.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// Words that collations count as one, and ones that bytes order in another way.
const WORDS: &str = "CONCAT(ELT(1 + i % 11, 'e', 'E', 'é', 'ss', 'ß', 'Z', 'z', 'a ', '_', '~', ''), SUBSTR(SHA2(i DIV 3, 256), 1, i % 9))";
const LATIN: &str = "CONCAT(ELT(1 + i % 8, 'e', 'E', 'é', 'Z', 'z', 'ß', '_', ''), SUBSTR(SHA2(i DIV 3, 256), 1, i % 9))";

fn on_both() -> Vec<Case> {
    vec![
        ("i", "k INT, PRIMARY KEY (k)", "(i - 1000) * 7919", "k"),
        ("ti", "k TINYINT, PRIMARY KEY (k)", "i - 128", "k"),
        (
            "mi",
            "k MEDIUMINT UNSIGNED, PRIMARY KEY (k)",
            "i * 1600",
            "k",
        ),
        (
            "bi",
            "k BIGINT, PRIMARY KEY (k)",
            "-9223372036854775807 - 1 + CAST(i AS DECIMAL(30)) * 1800000000000000",
            "k",
        ),
        (
            "bu",
            "k BIGINT UNSIGNED, PRIMARY KEY (k)",
            "18446744073709551615 - CAST(i AS DECIMAL(30)) * 1800000000000000",
            "k",
        ),
        (
            "zf",
            "k INT ZEROFILL, PRIMARY KEY (k)",
            "i * 31 % 20011",
            "k",
        ),
        ("f", "k FLOAT, PRIMARY KEY (k)", "(i - 1000) * 1.1", "k"),
        (
            "fm",
            "k FLOAT(9,3), PRIMARY KEY (k)",
            "(i - 1000) * 1.1",
            "k",
        ),
        (
            "db",
            "k DOUBLE, PRIMARY KEY (k)",
            "POW(-1.07e0, i) / 3",
            "k",
        ),
        (
            "dc",
            "k DECIMAL(30,10), PRIMARY KEY (k)",
            "(i - 1000) * 12345678901.0123456789",
            "k",
        ),
        (
            "bt",
            "k BIT(64), PRIMARY KEY (k)",
            "18446744073709551615 - CAST(i AS DECIMAL(30)) * 1800000000000000",
            "k",
        ),
        ("b9", "k BIT(9), PRIMARY KEY (k)", "i", "k"),
        (
            "y",
            "k YEAR, PRIMARY KEY (k)",
            "IF(i = 0, 0, 1900 + i)",
            "k",
        ),
        (
            "da",
            "k DATE, PRIMARY KEY (k)",
            "ELT(1 + i % 5, '0000-00-00', CONCAT(1000 + i, '-02-31'), CONCAT(1000 + i, '-00-00'), CONCAT(1000 + i, '-12-01'), CONCAT(7000 + i, '-01-30'))",
            "k",
        ),
        (
            "dt",
            "k DATETIME(6), PRIMARY KEY (k)",
            "IF(i = 0, '0000-00-00 00:00:00', '2001-01-01 00:00:00' + INTERVAL i * 999999 MICROSECOND)",
            "k",
        ),
        (
            "d0",
            "k DATETIME, PRIMARY KEY (k)",
            "'2001-01-01 00:00:00' + INTERVAL i * 999 MINUTE",
            "k",
        ),
        (
            "ts",
            "k TIMESTAMP(3) NOT NULL, PRIMARY KEY (k)",
            "IF(i = 0, '0000-00-00 00:00:00', '2001-01-01 00:00:00' + INTERVAL i * 1234567 MICROSECOND)",
            "k",
        ),
        (
            "tm",
            "k TIME(6), PRIMARY KEY (k)",
            "SEC_TO_TIME((i - 5000) * 600.25)",
            "k",
        ),
        (
            "t0",
            "k TIME, PRIMARY KEY (k)",
            "SEC_TO_TIME((i - 5000) * 25)",
            "k",
        ),
        (
            "en",
            "k ENUM('z', 'a', 'm', 'b'), j INT, PRIMARY KEY (k, j)",
            "i % 5, i",
            "k, j",
        ),
        (
            "en2",
            "j INT, k ENUM('z', 'a', 'm', 'b'), PRIMARY KEY (j, k)",
            "i DIV 5, i % 5",
            "j, k",
        ),
        (
            "se",
            "k SET('z', 'a', 'm', 'b', 'c', 'd', 'e', 'f', 'g'), PRIMARY KEY (k)",
            "i % 512",
            "k",
        ),
        (
            "bn",
            "k BINARY(6), PRIMARY KEY (k)",
            "SUBSTR(UNHEX(SHA2(i DIV 4, 256)), 1, 1 + i % 6)",
            "k",
        ),
        (
            "vb",
            "k VARBINARY(20), PRIMARY KEY (k)",
            "CONCAT(SUBSTR(UNHEX(SHA2(i DIV 4, 256)), 1, i % 3), REPEAT(CHAR(0), i % 4))",
            "k",
        ),
        (
            "ci",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "uc",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "ub",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "ch",
            "k CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "u3",
            "k VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "l1",
            "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, PRIMARY KEY (k)",
            LATIN,
            "k",
        ),
        (
            "lg",
            "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci, PRIMARY KEY (k)",
            LATIN,
            "k",
        ),
        (
            "lb",
            "k CHAR(20) CHARACTER SET latin1 COLLATE latin1_bin, PRIMARY KEY (k)",
            LATIN,
            "k",
        ),
        (
            "u16",
            "k VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_unicode_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "u32",
            "k CHAR(20) CHARACTER SET utf32 COLLATE utf32_general_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "uc2",
            "k VARCHAR(20) CHARACTER SET ucs2 COLLATE ucs2_general_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "sj",
            "k VARCHAR(20) CHARACTER SET sjis COLLATE sjis_japanese_ci, PRIMARY KEY (k)",
            "CONCAT(ELT(1 + i % 5, 'ア', '表', 'a', 'A', '漢'), SUBSTR(SHA2(i DIV 3, 256), 1, i % 9))",
            "k",
        ),
        (
            "co",
            "a VARCHAR(20) CHARACTER SET latin1, b INT, c DATETIME(3), PRIMARY KEY (a, b, c)",
            "ELT(1 + i % 3, 'a', 'B', 'c'), i % 7 - 3, '2001-01-01 00:00:00' + INTERVAL i SECOND",
            "a, b, c",
        ),
        (
            "un",
            "a INT, b INT NOT NULL, k VARCHAR(20) NOT NULL, UNIQUE (a), UNIQUE (b, k)",
            "NULLIF(i, 5), i % 3, SHA2(i, 256)",
            "b, k",
        ),
        (
            "px",
            "k VARCHAR(40) NOT NULL, j INT NOT NULL, PRIMARY KEY (k(33)), UNIQUE (j)",
            "SHA2(i, 256), 2000 - i",
            "j",
        ),
    ]
}

fn on_mysql() -> Vec<Case> {
    vec![
        (
            "ge",
            "a INT, k INT AS (a * 3) STORED NOT NULL, UNIQUE (k)",
            "1000 - i",
            "k",
        ),
        (
            "ai",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "cs",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "b9b",
            "k CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "ja",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_ja_0900_as_cs_ks, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "gb",
            "k VARCHAR(20) CHARACTER SET gb18030 COLLATE gb18030_chinese_ci, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        ("inv", "k INT INVISIBLE, PRIMARY KEY (k)", "i * 3", "k"),
        (
            "fx",
            "a INT NOT NULL, k INT NOT NULL, UNIQUE ((a * 2)), UNIQUE (k)",
            "i, 2000 - i",
            "k",
        ),
        (
            "de",
            "a INT NOT NULL, k INT NOT NULL, PRIMARY KEY (a DESC, k DESC)",
            "i % 5, i",
            "a, k",
        ),
        (
            "mx",
            "a INT NOT NULL, k INT NOT NULL, PRIMARY KEY (a DESC, k)",
            "i % 5, i",
            "a, k",
        ),
        (
            "vg",
            "a INT, k INT AS (a * 3) VIRTUAL NOT NULL, UNIQUE (k)",
            "1000 - i",
            "k",
        ),
    ]
}

fn on_mariadb() -> Vec<Case> {
    vec![
        (
            "i6",
            "k INET6, PRIMARY KEY (k)",
            "INET6_NTOA(UNHEX(SUBSTR(SHA2(i, 256), 1, 32)))",
            "k",
        ),
        (
            "np",
            "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, PRIMARY KEY (k)",
            WORDS,
            "k",
        ),
        (
            "inv",
            "k INT INVISIBLE DEFAULT 0, PRIMARY KEY (k)",
            "i * 3",
            "k",
        ),
    ]
}

async fn fill(server: &MySql, (name, columns, values, _): Case) {
    let sql = format!(
        "SET NAMES utf8mb4; SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; \
         CREATE TABLE d.`{name}` (n INT, {columns}); \
         INSERT IGNORE INTO d.`{name}` (n, {}) SELECT i, {values} FROM d.seq ORDER BY SHA2(i, 256)",
        inserted(columns)
    );
    server
        .exec(&sql)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error:#}"));
}

/// Columns that take a value, in their order; keys follow them.
fn inserted(columns: &str) -> String {
    let items = columns.split(", ");
    let items = items.take_while(|item| !item.starts_with(|c: char| c.is_ascii_uppercase()));
    let names = items.filter_map(|column| {
        let (name, rest) = column.split_once(' ')?;
        (!rest.contains(" AS ")).then_some(name)
    });
    names.collect::<Vec<_>>().join(", ")
}

async fn is_read_once_in_the_servers_order(server: &MySql, cases: &[Case]) {
    prepare_many(server, ROWS).await;
    for case in cases {
        fill(server, *case).await;
    }
    let source = snapshots(server).await;
    let sent = sent(server).await;
    let mut rows = 0;
    for (name, _, _, order) in cases {
        let seen = described(&source, &sent, &d(name)).await;
        let found = copy(&source, &sent, &seen, 487).await;
        let expected = server_order(server, &format!("d.`{name}`"), order).await;
        assert!(expected.len() > 100, "{name}: only {} rows", expected.len());
        assert_eq!(found, expected, "{name}, by {}", seen.description.key_text);
        rows += found.len();

        // By their keys the same rows come, wherever they are.
        let first = chunk(&source, ask(&seen.description, &sent, 50)).await;
        let some: Vec<_> = keys(&seen.description, &first)
            .into_iter()
            .step_by(3)
            .collect();
        let wanted = ChunkAsk {
            part: ChunkPart::Keys(some.clone()),
            ..ask(&seen.description, &sent, 1000)
        };
        let again = chunk(&source, wanted).await;
        assert!(again.is_end, "{name}");
        assert_eq!(keys(&seen.description, &again), some, "{name}");
        let every_third: Vec<i64> = expected.iter().take(50).step_by(3).copied().collect();
        assert_eq!(numbers(&seen.description, &again), every_third, "{name}");
    }
    println!("{} tables, {rows} rows", cases.len());
}

#[tokio::test]
async fn each_row_of_a_mysql_table_comes_once_whatever_its_key() {
    let server = MySql::start().await.expect("a server");
    let cases = [on_both(), on_mysql()].concat();
    is_read_once_in_the_servers_order(&server, &cases).await;
}

#[tokio::test]
async fn each_row_of_a_mariadb_table_comes_once_whatever_its_key() {
    let server = MySql::mariadb(&[]).await.expect("a server");
    let cases = [on_both(), on_mariadb()].concat();
    is_read_once_in_the_servers_order(&server, &cases).await;
}

/// Every collation that the server has, over words that most of them order in a way of their own.
async fn every_collation(server: &MySql) {
    prepare(server).await;
    let sql = "SELECT collation_name, character_set_name \
        FROM information_schema.collation_character_set_applicability \
        WHERE character_set_name <> 'binary' \
        AND (collation_name NOT LIKE '%uca1400%' OR collation_name LIKE '%uca1400%german2%')";
    let collations = server.query_rows(sql).await.expect("collations");
    let mut tables = Vec::new();
    let mut conn = server.conn().await.expect("a connection");
    for row in &collations {
        let [Some(collation), Some(charset)] = row.as_slice() else {
            continue;
        };
        // MariaDB names some for several character sets at once.
        let name = format!("{charset}_{collation}");
        let sql = format!(
            "CREATE TABLE d.`{name}` (n INT, k VARCHAR(20) CHARACTER SET {charset} COLLATE {collation}, \
             PRIMARY KEY (k)); INSERT IGNORE INTO d.`{name}` SELECT i, {WORDS} FROM d.seq WHERE i < 300"
        );
        match conn.query_drop(&sql).await {
            Ok(()) => tables.push(name),
            Err(error) => println!("{name}: {error}"),
        }
    }
    assert!(tables.len() > 150, "{} collations", tables.len());
    let (source, now) = (snapshots(server).await, sent(server).await);
    for name in &tables {
        let seen = described(&source, &now, &d(name)).await;
        let found = copy(&source, &now, &seen, 37).await;
        let expected = server_order(server, &format!("d.`{name}`"), "k").await;
        assert_eq!(found, expected, "{name}");
    }
    println!("{} collations", tables.len());
}

#[tokio::test]
async fn each_row_comes_once_in_every_collation_of_mysql() {
    every_collation(&MySql::start().await.expect("a server")).await;
}

#[tokio::test]
async fn each_row_comes_once_in_every_collation_of_mariadb() {
    every_collation(&MySql::mariadb(&[]).await.expect("a server")).await;
}
