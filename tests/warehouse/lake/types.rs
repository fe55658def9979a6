//! Each type at its edges.

use headwater_harness::road::Options;

use super::{COLUMNS, Come, FLAT, Road, lake};

/// A column of each type, and the query that both sides understand: MySQL's in `select`, the lake's by its names.
const EVERY: &str = "SET SESSION sql_mode = ''; CREATE DATABASE shop; CREATE TABLE shop.every (\
    id BIGINT UNSIGNED PRIMARY KEY, tiny TINYINT, flag TINYINT(1), utiny TINYINT UNSIGNED, small SMALLINT, \
    usmall SMALLINT UNSIGNED, medium MEDIUMINT, normal INT, unormal INT UNSIGNED, large BIGINT, ularge BIGINT UNSIGNED, \
    price DECIMAL(38,10), wide DECIMAL(65,30), single FLOAT, twice DOUBLE, bits BIT(1), bits64 BIT(64), made YEAR, \
    day DATE, span TIME(6), placed DATETIME(6), seen TIMESTAMP(6) NULL, letters CHAR(10), words VARCHAR(100), \
    pages LONGTEXT, code BINARY(4), codes VARBINARY(100), bytes LONGBLOB, kind ENUM('a','b'), kinds SET('x','y'), \
    doc JSON, place POINT, vec VECTOR(3)); \
    INSERT INTO shop.every VALUES \
    (18446744073709551615, -128, 127, 255, -32768, 65535, -8388608, -2147483648, 4294967295, -9223372036854775808, \
     18446744073709551615, '9999999999999999999999999999.0123456789', \
     '99999999999999999999999999999999999.012345678901234567890123456789', 3.4e38, 1.7976931348623157e308, b'1', \
     18446744073709551615, 2155, '9999-12-31', '-838:59:59.000001', '9999-12-31 23:59:59.999999', \
     '2038-01-19 03:14:07.999999', '😀', 'it''s \"quoted\" \\\\ 😀', REPEAT('ü', 100000), x'00ff', x'', REPEAT(x'00', 70000), 'b', \
     'x,y', '{\"k\": [1, 2.5, null, \"ü\"]}', ST_GeomFromText('POINT(1 2)'), STRING_TO_VECTOR('[1.5,-2,0.25]')), \
    (1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, -0.5, -0.5, -1.5, -0.1, b'0', 0, 0, '1000-01-01', '00:00:00.5', \
     '1000-01-01 00:00:00.5', '1970-01-01 00:00:01', '', '', '', '', '', '', '', '', '[]', NULL, NULL), \
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
const EVERY_MYSQL: &str = "SELECT id, tiny, flag, utiny, small, usmall, medium, normal, unormal, large, ularge, price, wide, \
    single * 1e0, twice, bits + 0, bits64 + 0, made + 0, day, span, placed, CAST(seen AS CHAR), letters, words, SHA2(pages, 256), \
    TO_BASE64(code), TO_BASE64(codes), SHA2(bytes, 256), kind, kinds, \
    JSON_EXTRACT(doc, '$.k[1]'), REPLACE(TO_BASE64(place), '\n', ''), IF(vec IS NULL, NULL, '1.5') FROM shop.every ORDER BY id";
const EVERY_LAKE: &str = "SELECT id, tiny, flag, utiny, small, usmall, medium, normal, unormal, large, ularge, price, wide, \
    single::DOUBLE, twice, bits, bits64, made, day, span, placed, seen, letters, words, sha256(pages), \
    code, codes, sha256(from_base64(bytes)), kind, kinds, doc ->> '$.k[1]', place, vec ->> '$[0]' FROM shop.every ORDER BY id";

async fn ensure_every_type(
    dialect: &'static str,
    change: impl FnOnce(&mut Options),
) -> anyhow::Result<()> {
    let mut road = Road::new(dialect, change, EVERY).await?;
    road.apply_when_there_is_a_log(Come::Settled).await?;
    road.ensure_equal(EVERY_MYSQL, EVERY_LAKE).await?;
    assert_eq!(road.value("SELECT SUM(\"_lost\") FROM shop.every")?, "0");
    road.world
        .mysql
        .exec(
            "SET SESSION sql_mode = ''; UPDATE shop.every SET day = '0000-00-00', placed = '2024-02-00 00:00:00' WHERE id = 1",
        )
        .await?;
    road.bring(Come::Settled).await?;
    let lost = road
        .lake
        .query("SELECT \"_lost\", day, placed FROM shop.every WHERE id = 1")?;
    assert_eq!(lost, [[Some("2".to_owned()), None, None]]);
    Ok(())
}

#[tokio::test]
async fn every_type_is_in_the_views_as_mysql_has_it() -> anyhow::Result<()> {
    ensure_every_type("athena", lake("")).await?;
    ensure_every_type("athena", lake(FLAT)).await
}

#[tokio::test]
async fn every_type_is_in_tables_of_iceberg_as_mysql_has_it() -> anyhow::Result<()> {
    ensure_every_type("iceberg", lake(COLUMNS)).await
}
