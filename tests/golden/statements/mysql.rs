//! MySQL's, in an order in which each can run.

use super::Is;

pub const STATEMENTS: &[(&str, Is)] = &[
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
    (
        "CREATE TABLE passed_over (id INT PRIMARY KEY) /*!999999 , COMMENT='x' */",
        Is::Tables(&["golden.passed_over"]),
    ),
    (
        "CREATE TABLE tested (id INT PRIMARY KEY) /*!50701 COMMENT='y' */",
        Is::Tables(&["golden.tested"]),
    ),
    // A comment to MySQL, which logs it as it came.
    (
        "ALTER TABLE tested ADD v INT /*M! , RENAME TO other */",
        Is::Tables(&["golden.tested"]),
    ),
    (
        "/*!80000 ALTER TABLE tested */ /*!50100 RENAME = `table` */",
        Is::Tables(&["golden.tested", "golden.table"]),
    ),
    (
        "ALTER TABLE golden.table RENAME tested, ADD COLUMN w INT",
        Is::Tables(&["golden.table", "golden.tested"]),
    ),
    (
        "ALTER TABLE tested RENAME COLUMN w TO x, RENAME INDEX `PRIMARY` TO y",
        Is::Nothing,
    ),
    (
        "ALTER TABLE tested RENAME COLUMN w TO x",
        Is::Tables(&["golden.tested"]),
    ),
    (
        "ALTER TABLE parts EXCHANGE PARTITION p1 WITH TABLE passed_over WITHOUT VALIDATION",
        Is::Tables(&["golden.parts", "golden.passed_over"]),
    ),
    (
        "ALTER TABLE tested DISCARD TABLESPACE",
        Is::Tables(&["golden.tested"]),
    ),
    ("LOCK TABLES parts WRITE, passed_over WRITE", Is::Nothing),
    (
        "ALTER TABLE passed_over FORCE",
        Is::Tables(&["golden.passed_over"]),
    ),
    ("UNLOCK TABLES", Is::Nothing),
    (
        "CREATE TABLE alike (LIKE passed_over)",
        Is::Tables(&["golden.alike", "golden.passed_over"]),
    ),
    (
        "DROP TABLES alike, passed_over CASCADE",
        Is::Tables(&["golden.alike", "golden.passed_over"]),
    ),
    ("REPAIR TABLE parts", Is::Nothing),
    ("FLUSH TABLES parts", Is::Nothing),
    ("SET DEFAULT ROLE NONE TO root@'127.0.0.1'", Is::Nothing),
    ("ALTER SCHEMA READ ONLY = DEFAULT", Is::Database("golden")),
    ("DROP DATABASE shop", Is::Database("shop")),
];
