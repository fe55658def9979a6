//! Records that are compressed, aggregated or have keys of their own.

use super::*;

#[test]
fn a_row_that_fits_the_sink_only_compressed_passes_and_one_that_does_not_halts() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let compressed = || RecordRules {
            compression,
            ..rules(Packing::Newline, OnError::Halt)
        };
        let mut driver = Driver::with(compressed());
        driver.push(&[(1, 1), (2, 20_000), (3, 3)]);
        driver.finish().unwrap();
        assert_eq!(driver.durable, driver.lines_up_to(BarrierSeq(u64::MAX)));
        let small = RecordRules {
            sink_bytes_max: 40,
            ..compressed()
        };
        let mut driver = Driver::with(small);
        driver.push(&[(2, 20_000)]);
        let failure = driver.finish().unwrap_err();
        assert!(failure.to_string().contains("takes 40"), "{failure}");
    }
}

#[test]
fn a_row_of_its_own_key_leaves_the_lane_s_place() {
    let lane = Lane {
        table: fixture::name("a"),
        index: 1,
        count: 4,
        run: None,
    };
    for (partition_key, wanted) in [
        (PartitionKey::Lane, "shop.a/1"),
        (PartitionKey::Database, "shop"),
        (PartitionKey::Table, "shop.a"),
        (PartitionKey::PrimaryKey, "7"),
    ] {
        let is_own = partition_key != PartitionKey::Lane;
        let rules = RecordRules {
            partition_key,
            ..rules(Packing::None, OnError::Halt)
        };
        let mut driver = Driver::with(rules.clone());
        driver.buffer = LaneBuffer::new(Arc::new(lane.clone()), rules);
        driver.push(&[(7, 1)]);
        driver.run().unwrap();
        let Some(Flight::Record(record)) = &driver.in_flight else {
            panic!("no record")
        };
        assert_eq!(&*record.partition_key, wanted);
        assert_eq!(record.explicit_hash_key.is_none(), is_own);
    }
}

#[test]
fn an_aggregate_has_each_row_s_key_and_the_lane_s_place() {
    let rules = RecordRules {
        partition_key: PartitionKey::PrimaryKey,
        ..rules(Packing::Kpl, OnError::Halt)
    };
    let mut driver = Driver::with(rules);
    driver.push(&[(7, 1), (8, 1), (7, 2)]);
    driver.run().unwrap();
    let Some(Flight::Record(record)) = &driver.in_flight else {
        panic!("no record")
    };
    assert_eq!(&*record.partition_key, "shop.a");
    let records = aggregated(&record.bytes);
    let keys: Vec<&str> = records.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["7", "8", "7"]);
    let place = hash_key(&record.lane, "shop.a").to_string();
    assert!(records.iter().all(|(_, hash_key, _)| *hash_key == place));
}
