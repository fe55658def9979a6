-- What a real MySQL 5.5 was asked to write; scripts/record-55 runs this and keeps the log and the answers.
SET NAMES utf8;
SET time_zone = '+00:00';
SET sql_mode = '';
CREATE DATABASE shop DEFAULT CHARACTER SET utf8;
USE shop;
CREATE TABLE types (
  id INT PRIMARY KEY,
  ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT, mu MEDIUMINT UNSIGNED,
  bi BIGINT, bu BIGINT UNSIGNED,
  f FLOAT, d DOUBLE, de DECIMAL(20,5), b BIT(13), y YEAR,
  da DATE, t TIME, dt DATETIME, ts TIMESTAMP NULL,
  c CHAR(10), v VARCHAR(300), l VARCHAR(20) CHARACTER SET latin1, k VARCHAR(20) CHARACTER SET gbk,
  bn BINARY(8), vb VARBINARY(20), tx TEXT, lb LONGBLOB,
  e ENUM('a','b','ž'), s SET('x','y','z'), g POINT
) ENGINE=InnoDB;
CREATE TABLE plain (a INT, b VARCHAR(5)) ENGINE=MyISAM;
SELECT 'columns of types';
SELECT column_name, column_type, character_octet_length, character_set_name, is_nullable
  FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = 'types' ORDER BY ordinal_position;
SELECT 'columns of plain';
SELECT column_name, column_type, character_octet_length, character_set_name, is_nullable
  FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = 'plain' ORDER BY ordinal_position;
INSERT INTO types VALUES
  (1, -128, 255, -32768, -8388608, 16777215, -9223372036854775808, 18446744073709551615,
   1.5, -2.25, -123.45, b'1000000000001', 2024, '2024-02-29', '-838:59:59', '9999-12-31 23:59:59',
   '2038-01-19 03:14:07', 'é', REPEAT('ab', 150), 'café €', '中文', 'bin', X'00FF00', REPEAT('t', 300),
   X'DEADBEEF00', 'ž', 'x,z', GeomFromText('POINT(1 -2)')),
  (2, 127, 0, 1, 1, 0, 1, 0, -0.25, 1024.5, 999999999999999.99999, 0, 0, '0000-00-00', '-00:00:01',
   '0000-00-00 00:00:00', '1970-01-01 00:00:01', '', '', '', '', '', '', '', '', 'a', '', NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 1901, '2024-00-00', '838:59:59', '1000-01-01 00:00:00',
   '0000-00-00 00:00:00', 'a ', 'b ', 'c ', 'd ', X'0001', X'20', 'x', X'00', 'nothing of the kind', 'y', NULL);
SELECT 'inserted';
SELECT id, ti, tu, si, mi, mu, bi, bu, f, d, de, b+0, y+0, da, t, dt, ts, c, v, l, k, HEX(bn), HEX(vb), tx,
  HEX(lb), e, s, HEX(g) FROM types ORDER BY id;
UPDATE types SET t = '12:34:56', dt = '2011-06-02 15:43:00', ts = '2011-06-02 15:43:00', v = 'changed' WHERE id < 3;
SELECT 'updated';
SELECT id, ti, tu, si, mi, mu, bi, bu, f, d, de, b+0, y+0, da, t, dt, ts, c, v, l, k, HEX(bn), HEX(vb), tx,
  HEX(lb), e, s, HEX(g) FROM types WHERE id < 3 ORDER BY id;
INSERT INTO plain VALUES (1, 'one'), (2, NULL);
BEGIN;
DELETE FROM types WHERE id = 4;
SAVEPOINT here;
DELETE FROM types WHERE id = 3;
ROLLBACK TO here;
COMMIT;
ALTER TABLE plain ADD c INT;
TRUNCATE TABLE plain;
SELECT 'position';
SHOW MASTER STATUS;
FLUSH LOGS;
