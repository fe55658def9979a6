//! The target `selected_row` of `tests/fuzz` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| headwater_fuzz::check("selected_row", input));
