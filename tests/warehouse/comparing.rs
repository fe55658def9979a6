//! The comparison that ends the demo and chaos finds what is wrong, and nothing where all is right.

use headwater_harness::warehouse::compare;

use crate::world::World;

#[tokio::test]
async fn a_lost_row_a_swapped_value_and_a_lost_delete_are_found() -> anyhow::Result<()> {
    let sql = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, f FLOAT, d DOUBLE, n DECIMAL(9,3), \
            u BIGINT UNSIGNED, at DATETIME(3), doc JSON, b VARBINARY(9), e ENUM('a','b'), s TEXT, long_s LONGTEXT); \
        INSERT INTO shop.t VALUES (1, 0.1, 1e300, 1.5, 18446744073709551615, '2026-01-02 03:04:05.006', \
            '{\"b\": [1.10, null], \"a\": \"x\"}', x'00ff', 'b', 'grüße', 'long'), \
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
            (3, -0.0, 5e-324, -0.001, 0, '1970-01-01 00:00:00', 'null', '', 'a', '', ''); \
        CREATE TABLE shop.by_text (a VARCHAR(9), b BINARY(2), PRIMARY KEY (a, b)); \
        INSERT INTO shop.by_text VALUES ('x', 'y'), ('x ', 'y'); DELETE FROM shop.t WHERE id = 2";
    let mut world = World::running(|_| (), sql).await?;
    world.settle().await?;
    let (mysql, postgres, folder) = (&world.mysql, &world.postgres, world.generated());
    let all = compare(mysql, postgres, &folder).await?;
    assert_eq!(all.len(), 2);
    for table in &all {
        assert_eq!(table.different, 0, "{table:?}");
        assert_eq!(
            (table.mysql_rows, table.warehouse_rows),
            (2, 2),
            "{table:?}"
        );
    }
    let faults = "UPDATE shop.t__rows SET _deleted = FALSE WHERE id = 2; \
        UPDATE shop.t__rows SET doc = '{\"a\": \"x\", \"b\": [1.1, 0]}' WHERE id = 1; \
        UPDATE shop.t__rows SET at = at + INTERVAL '1 millisecond' WHERE id = 3; \
        DELETE FROM shop.by_text__rows WHERE a = 'x '";
    world.postgres.exec(faults).await?;
    let all = compare(&world.mysql, &world.postgres, &folder).await?;
    let different: Vec<usize> = all.iter().map(|table| table.different).collect();
    assert_eq!(different, [1, 3], "{all:?}");
    let told: Vec<&str> = all
        .iter()
        .flat_map(|table| &table.examples)
        .map(String::as_str)
        .collect();
    for wanted in [
        "is missing in the warehouse",
        "doc is",
        "at is",
        "is in the warehouse only",
    ] {
        assert!(
            told.iter().any(|example| example.contains(wanted)),
            "{told:?}"
        );
    }
    Ok(())
}
