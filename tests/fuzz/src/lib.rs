//! Every parser under bytes that nobody meant: one plain function per parser, used by cargo-fuzz
//! (`binlog/fuzz`, nightly) and by the runner here, which needs no more than a stable compiler.
//!
//! A target must not panic, must not allocate more than a constant times its input, and what it produces
//! (rows, values, text) must not be more than a constant times its input: that is what time is made of.

pub mod budget;
pub mod corpus;
pub mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};

/// One execution under libFuzzer.
///
/// # Panics
/// When the target breaks one of its promises.
pub fn check(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    if let Err(error) = budget::execute(target, input, &mut budget::Most::default()) {
        panic!("{error:#}");
    }
}
