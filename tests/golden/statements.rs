//! Statements: which are lines, of which tables, and which must never be.

use headwater_binlog::{ddl::StatementClass, schema::TableName};

use crate::{
    line::{member, members, string},
    log::Logged,
    scenario::Scenario,
};

/// What a statement must be in the log: its tables, the database, or nothing to publish.
enum Is {
    Tables(&'static [&'static str]),
    Truncate(&'static str),
    Database(&'static str),
    Nothing,
}

const STATEMENTS: &[(&str, Is)] = &[
    ("CREATE DATABASE shop", Is::Database("shop")),
    (
        "CREATE SCHEMA IF NOT EXISTS `odd``name`",
        Is::Database("odd`name"),
    ),
    (
        "ALTER DATABASE shop CHARACTER SET latin1",
        Is::Database("shop"),
    ),
    (
        "CREATE TABLE a (id INT PRIMARY KEY, v INT)",
        Is::Tables(&["golden.a"]),
    ),
    (
        "/* why */ CREATE TABLE shop.b LIKE a",
        Is::Tables(&["shop.b", "golden.a"]),
    ),
    (
        "CREATE TABLE IF NOT EXISTS `we.ird ``t` (`a b` INT, `\"q\"` INT)",
        Is::Tables(&["golden.we.ird `t"]),
    ),
    (
        "ALTER TABLE a ADD COLUMN w VARCHAR(9) DEFAULT 'x;y', ADD INDEX (w)",
        Is::Tables(&["golden.a"]),
    ),
    ("CREATE INDEX i ON a (v)", Is::Tables(&["golden.a"])),
    ("DROP INDEX i ON a", Is::Tables(&["golden.a"])),
    (
        "RENAME TABLE a TO c, shop.b TO shop.d",
        Is::Tables(&["golden.a", "golden.c", "shop.b", "shop.d"]),
    ),
    (
        "ALTER TABLE c RENAME TO shop.e",
        Is::Tables(&["golden.c", "shop.e"]),
    ),
    ("TRUNCATE TABLE shop.e", Is::Truncate("shop.e")),
    ("TRUNCATE shop.d", Is::Truncate("shop.d")),
    (
        "CREATE VIEW view_of AS SELECT * FROM shop.e",
        Is::Tables(&["golden.view_of"]),
    ),
    (
        "ALTER VIEW view_of AS SELECT 1",
        Is::Tables(&["golden.view_of"]),
    ),
    (
        "CREATE OR REPLACE VIEW view_of AS SELECT 2",
        Is::Tables(&["golden.view_of"]),
    ),
    ("DROP VIEW view_of", Is::Tables(&["golden.view_of"])),
    (
        "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "CREATE TABLE one (id INT PRIMARY KEY)",
        Is::Tables(&["golden.one"]),
    ),
    (
        "ALTER TABLE parts EXCHANGE PARTITION p0 WITH TABLE one",
        Is::Tables(&["golden.parts", "golden.one"]),
    ),
    (
        "ALTER TABLE parts TRUNCATE PARTITION p0",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "ALTER TABLE parts DROP PARTITION p0",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "CREATE TABLE full_text (id INT, t TEXT, FULLTEXT (t))",
        Is::Tables(&["golden.full_text"]),
    ),
    ("DROP TABLE one, shop.d, IF_NOT_THERE", Is::Nothing),
    (
        "DROP TABLE IF EXISTS one, shop.d",
        Is::Tables(&["golden.one", "shop.d"]),
    ),
    ("SET sql_mode = 'ANSI_QUOTES'", Is::Nothing),
    (
        "CREATE TABLE \"quoted\" (\"id\" INT DEFAULT '1')",
        Is::Tables(&["golden.quoted"]),
    ),
    ("SET sql_mode = ''", Is::Nothing),
    (
        "/*!50100 CREATE TABLE versioned (id INT) */",
        Is::Tables(&["golden.versioned"]),
    ),
    (
        "CREATE TABLE `été`(id INT) # how",
        Is::Tables(&["golden.été"]),
    ),
    ("CREATE TEMPORARY TABLE short_lived (id INT)", Is::Nothing),
    ("INSERT INTO short_lived VALUES (1)", Is::Nothing),
    ("DROP TEMPORARY TABLE short_lived", Is::Nothing),
    ("CREATE USER someone IDENTIFIED BY 'secret'", Is::Nothing),
    ("GRANT SELECT ON golden.* TO someone", Is::Nothing),
    (
        "ALTER USER someone IDENTIFIED BY 'other secret'",
        Is::Nothing,
    ),
    ("SET PASSWORD FOR someone = 'third secret'", Is::Nothing),
    ("REVOKE SELECT ON golden.* FROM someone", Is::Nothing),
    ("CREATE ROLE someones", Is::Nothing),
    ("DROP USER someone", Is::Nothing),
    (
        "CREATE PROCEDURE p() INSERT INTO parts VALUES (1)",
        Is::Nothing,
    ),
    (
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
        Is::Nothing,
    ),
    (
        "CREATE TRIGGER t BEFORE INSERT ON parts FOR EACH ROW SET @x = 1",
        Is::Nothing,
    ),
    (
        "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1",
        Is::Nothing,
    ),
    ("DROP EVENT e", Is::Nothing),
    ("DROP TRIGGER t", Is::Nothing),
    ("DROP FUNCTION f", Is::Nothing),
    ("DROP PROCEDURE p", Is::Nothing),
    ("ANALYZE TABLE parts", Is::Nothing),
    ("OPTIMIZE TABLE parts", Is::Nothing),
    ("CHECK TABLE parts", Is::Nothing),
    ("FLUSH TABLES", Is::Nothing),
    (
        "CREATE SPATIAL REFERENCE SYSTEM 990001 NAME 'x' DEFINITION 'GEOGCS[\"x\",DATUM[\"x\",SPHEROID[\"x\",1,1]],PRIMEM[\"x\",0],UNIT[\"x\",1],AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]'",
        Is::Nothing,
    ),
    ("DROP SPATIAL REFERENCE SYSTEM 990001", Is::Nothing),
    ("DROP DATABASE shop", Is::Database("shop")),
];

fn name_of(table: &TableName) -> String {
    table.to_string()
}

#[tokio::test]
async fn statements_name_their_tables_and_accounts_are_never_published() {
    let mut scenario = Scenario::start(&["--log-bin-trust-function-creators=ON"]).await;
    for (sql, is) in STATEMENTS {
        // A statement may fail on purpose, then it must not be in the log.
        scenario.try_run(sql).await;
        let logged = scenario.log.read();
        let lines: Vec<(StatementClass, String, &str)> = logged
            .iter()
            .map(|logged| match logged {
                Logged::Statement { statement, line } => (
                    statement.class.clone(),
                    statement.text.to_string(),
                    line.as_str(),
                ),
                Logged::Row(change) => panic!("{sql}: a row {change:?}"),
            })
            .collect();
        let expected = match is {
            Is::Nothing => {
                assert!(lines.is_empty(), "{sql}: {lines:?}");
                continue;
            }
            Is::Tables(tables) => (false, tables.to_vec()),
            Is::Truncate(table) => (true, vec![*table]),
            Is::Database(_) => (false, Vec::new()),
        };
        let [(class, text, line)] = lines.as_slice() else {
            panic!("{sql}: {lines:?}");
        };
        let fields = members(line);
        assert_eq!(
            string(member(&fields, "statement").expect("a statement")),
            *text
        );
        let kind = if expected.0 {
            "\"truncate\""
        } else {
            "\"ddl\""
        };
        assert_eq!(member(&fields, "type"), Some(kind), "{sql}");
        match (class, is) {
            (StatementClass::Database { database }, Is::Database(expected)) => {
                assert_eq!(database, expected);
            }
            (StatementClass::Table { truncate, tables }, _) => {
                assert_eq!(member(&fields, "default_database"), Some("\"golden\""));
                assert_eq!(*truncate, expected.0, "{sql}");
                let names: Vec<String> = tables.iter().map(name_of).collect();
                assert_eq!(names, expected.1, "{sql}");
            }
            other => panic!("{sql}: {:?}", other.0),
        }
    }
}

#[tokio::test]
async fn a_table_made_of_a_query_is_a_statement_and_its_rows_in_one_transaction() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("CREATE TABLE made AS SELECT 1 AS id, 'x' AS v UNION SELECT 2, 'y'")
        .await;
    let logged = scenario.log.read();
    let ids: Vec<String> = logged
        .iter()
        .map(|logged| match logged {
            Logged::Statement { line, .. } => line,
            Logged::Row(change) => &change.line,
        })
        .map(|line| string(member(&members(line), "id").expect("an id")))
        .collect();
    let [statement, one, two] = ids.as_slice() else {
        panic!("{logged:?}");
    };
    let transaction = statement
        .strip_suffix("/0")
        .expect("the first of its transaction");
    assert_eq!(*one, format!("{transaction}/1"));
    assert_eq!(*two, format!("{transaction}/2"));
}
