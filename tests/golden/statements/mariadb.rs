//! MariaDB's own, in an order in which each can run.

use super::Is;

pub const STATEMENTS: &[(&str, Is)] = &[
    (
        "CREATE TABLE a (id INT PRIMARY KEY)",
        Is::Tables(&["golden.a"]),
    ),
    (
        "RENAME TABLE a NOWAIT TO b",
        Is::Tables(&["golden.a", "golden.b"]),
    ),
    (
        "RENAME TABLE b WAIT 5 TO c",
        Is::Tables(&["golden.b", "golden.c"]),
    ),
    (
        "RENAME TABLE IF EXISTS c TO a, not_there TO d",
        Is::Tables(&["golden.c", "golden.a", "golden.not_there", "golden.d"]),
    ),
    (
        "SET STATEMENT lock_wait_timeout = 10, max_statement_time = 5 FOR ALTER TABLE a ADD v INT",
        Is::Tables(&["golden.a"]),
    ),
    (
        "SET STATEMENT max_statement_time = 5 FOR RENAME TABLE a TO b",
        Is::Tables(&["golden.a", "golden.b"]),
    ),
    (
        "EXECUTE IMMEDIATE 'ALTER TABLE b RENAME a'",
        Is::Tables(&["golden.b", "golden.a"]),
    ),
    (
        "ALTER TABLE a NOWAIT RENAME TO b",
        Is::Tables(&["golden.a", "golden.b"]),
    ),
    (
        "ALTER TABLE IF EXISTS b WAIT 3 RENAME AS a",
        Is::Tables(&["golden.b", "golden.a"]),
    ),
    (
        "BEGIN NOT ATOMIC ALTER TABLE a ADD w INT; END",
        Is::Tables(&["golden.a"]),
    ),
    (
        "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "ALTER TABLE parts CONVERT PARTITION p1 TO TABLE arch",
        Is::Tables(&["golden.parts", "golden.arch"]),
    ),
    (
        "ALTER TABLE parts CONVERT TABLE arch TO PARTITION p1 VALUES LESS THAN (20)",
        Is::Tables(&["golden.parts", "golden.arch"]),
    ),
    (
        "ALTER TABLE parts /*M! CONVERT PARTITION p1 TO TABLE arch */",
        Is::Tables(&["golden.parts", "golden.arch"]),
    ),
    (
        "ALTER TABLE parts /*M!100100 CONVERT TABLE arch TO PARTITION p1 VALUES LESS THAN (20) */",
        Is::Tables(&["golden.parts", "golden.arch"]),
    ),
    // Passed over by its version.
    (
        "ALTER TABLE parts FORCE /*M!999999 , RENAME TO other */",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "ALTER TABLE parts FORCE /*!50701 , RENAME TO other */",
        Is::Tables(&["golden.parts"]),
    ),
    (
        "ALTER TABLE parts CONVERT TO CHARACTER SET utf8mb4",
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
    ("TRUNCATE TABLE one WAIT 3", Is::Truncate("golden.one")),
    ("TRUNCATE one NOWAIT", Is::Truncate("golden.one")),
    ("SET sql_mode = ORACLE", Is::Nothing),
    (
        "TRUNCATE TABLE one REUSE STORAGE",
        Is::Truncate("golden.one"),
    ),
    (
        "CREATE PACKAGE p AS FUNCTION f RETURN INT; END",
        Is::Nothing,
    ),
    ("DROP PACKAGE p", Is::Nothing),
    ("SET sql_mode = ''", Is::Nothing),
    (
        "CREATE INDEX IF NOT EXISTS i ON one (id) WAIT 3",
        Is::Tables(&["golden.one"]),
    ),
    (
        "CREATE OR REPLACE INDEX i ON one (id)",
        Is::Tables(&["golden.one"]),
    ),
    ("DROP INDEX IF EXISTS i ON one", Is::Tables(&["golden.one"])),
    ("CREATE SEQUENCE s", Is::Tables(&["golden.s"])),
    ("ALTER SEQUENCE s RESTART 5", Is::Tables(&["golden.s"])),
    (
        "CREATE OR REPLACE SEQUENCE s START 3",
        Is::Tables(&["golden.s"]),
    ),
    ("RENAME TABLE s TO t", Is::Tables(&["golden.s", "golden.t"])),
    (
        "DROP SEQUENCE IF EXISTS s, t",
        Is::Tables(&["golden.s", "golden.t"]),
    ),
    ("CREATE TEMPORARY SEQUENCE short_lived", Is::Nothing),
    ("DROP TEMPORARY SEQUENCE short_lived", Is::Nothing),
    (
        "CREATE OR REPLACE TABLE one (id INT)",
        Is::Tables(&["golden.one"]),
    ),
    (
        "CREATE OR REPLACE TABLE two LIKE one",
        Is::Tables(&["golden.two", "golden.one"]),
    ),
    (
        "DROP TABLE one, two WAIT 3 CASCADE",
        Is::Tables(&["golden.one", "golden.two"]),
    ),
    (
        "CREATE OR REPLACE VIEW view_of AS SELECT 1",
        Is::Tables(&["golden.view_of"]),
    ),
    (
        "CREATE VIEW IF NOT EXISTS view_of AS SELECT 2",
        Is::Tables(&["golden.view_of"]),
    ),
    (
        "DROP VIEW IF EXISTS view_of, not_there",
        Is::Tables(&["golden.view_of", "golden.not_there"]),
    ),
    ("CREATE OR REPLACE DATABASE shop", Is::Database("shop")),
    ("ALTER DATABASE shop COMMENT 'goods'", Is::Database("shop")),
    ("ALTER DATABASE COMMENT 'gold'", Is::Database("golden")),
    ("DROP DATABASE shop", Is::Database("shop")),
    ("ANALYZE TABLE parts PERSISTENT FOR ALL", Is::Nothing),
    ("OPTIMIZE TABLE parts WAIT 3", Is::Nothing),
    ("CREATE ROLE someones", Is::Nothing),
    ("SET DEFAULT ROLE NONE", Is::Nothing),
];
