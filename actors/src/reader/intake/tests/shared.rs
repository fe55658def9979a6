//! What rows keep alive beside themselves, in the budget.

use std::collections::HashMap;

use super::*;

#[test]
fn a_batch_counts_the_tables_of_its_rows_once_each_before_anything_more_is_read() {
    let insert = |table, id| Op::Insert(table, vec![(id, 0)]);
    let mut log = Log::new();
    log.transaction(&[insert("a", 1), insert("b", 1), insert("a", 2)]);
    let chunk = concat(&log.events);
    let chunk_bytes = chunk.len();
    let budget = ByteBudget::new(1 << 20);
    let mut intake = intake(start(), Until::Never);
    intake.feed(chunk, budget.try_take_weighed(chunk_bytes).unwrap());
    let Next::Send(batch) = intake.next_step().unwrap() else {
        panic!("a transaction has ended");
    };
    let tables: HashMap<_, _> = batch
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Rows(block) => {
                let map = block.map.as_ref().map_or(0, |map| map.body.len());
                Some((block.table.name.clone(), block.table.bytes() + map))
            }
            _ => None,
        })
        .collect();
    assert_eq!(tables.len(), 2);
    let counted = chunk_bytes + tables.values().sum::<usize>();
    let in_use = budget.bytes_in_use();
    assert!((counted..counted + 128).contains(&in_use), "{in_use}");
    drop((batch, intake));
    assert_eq!(budget.bytes_in_use(), 0);
}
