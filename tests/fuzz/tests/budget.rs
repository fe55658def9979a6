//! Every parser with a fixed budget; `scripts/fuzz` spends more. One test, because the allocator counts for
//! the whole process.

use headwater_fuzz::{TARGETS, budget};

const EXECUTIONS: u64 = 2_000;

#[test]
fn no_bytes_make_a_parser_panic_or_take_more_than_a_constant_times_its_input() {
    for target in &TARGETS {
        let most = budget::spend(target, 1, EXECUTIONS).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(most.accepted > 0, "nothing was accepted by {}", target.name);
    }
}
