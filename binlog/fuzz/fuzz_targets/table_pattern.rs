//! The target `table_pattern` of `tests/fuzz` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check("table_pattern", input));
