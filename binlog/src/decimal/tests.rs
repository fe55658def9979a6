//! Packed decimals: the worked example, every digit kept, wrong shapes refused.

use proptest::prelude::*;

use super::*;

/// The inverse, for tests: packs `digits` (exactly `precision` of them).
pub(crate) fn pack(negative: bool, digits: &str, scale: usize) -> Vec<u8> {
    let whole = digits.len() - scale;
    let (head, fraction) = digits.split_at(whole);
    let (first, full) = head.split_at(whole % 9);
    let (full_fraction, last) = fraction.split_at(scale / 9 * 9);
    let mut packed = Vec::new();
    let mut push = |group: &str| {
        if !group.is_empty() {
            let value: u32 = group.parse().unwrap();
            let bytes = usize::from(GROUP_BYTES[group.len()]);
            packed.extend_from_slice(&value.to_be_bytes()[4 - bytes..]);
        }
    };
    push(first);
    for group in full
        .as_bytes()
        .chunks(9)
        .chain(full_fraction.as_bytes().chunks(9))
    {
        push(std::str::from_utf8(group).unwrap());
    }
    push(last);
    packed[0] ^= 0x80;
    if negative {
        packed.iter_mut().for_each(|byte| *byte = !*byte);
    }
    packed
}

fn print(bytes: &[u8], precision: u8, scale: u8) -> String {
    Decimal::new(bytes, precision, scale).unwrap().to_string()
}

#[test]
fn the_worked_example_of_mysqls_source_prints() {
    // decimal.cc: 1234567890.1234 as DECIMAL(14,4), and the same below zero.
    let bytes = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
    assert_eq!(print(&bytes, 14, 4), "1234567890.1234");
    let negative = bytes.map(|byte| !byte);
    assert_eq!(negative, [0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d]);
    assert_eq!(print(&negative, 14, 4), "-1234567890.1234");
}

#[test]
fn the_scale_is_kept_and_leading_zeros_are_not() {
    assert_eq!(print(&pack(false, "0000000000", 2), 10, 2), "0.00");
    assert_eq!(print(&pack(true, "0000000150", 2), 10, 2), "-1.50");
    assert_eq!(print(&pack(false, "50", 2), 2, 2), "0.50");
    assert_eq!(
        print(&pack(false, "000000001000000000", 0), 18, 0),
        "1000000000"
    );
    assert_eq!(print(&pack(false, "5", 0), 1, 0), "5");
    let nines = "9".repeat(65);
    assert_eq!(
        print(&pack(true, &nines, 30), 65, 30),
        format!("-{}.{}", "9".repeat(35), "9".repeat(30))
    );
}

#[test]
fn wrong_shapes_and_groups_are_errors() {
    assert!(Decimal::new(&[0x80, 0, 0, 0, 0, 0], 10, 3).is_ok());
    assert!(Decimal::new(&[0x80, 0, 0, 0, 0], 10, 3).is_err());
    assert!(Decimal::new(&[], 0, 0).is_err());
    assert!(Decimal::new(&[0x80; 37], 82, 2).is_err());
    assert!(Decimal::new(&[0x80 | 100, 0], 3, 1).is_err());
    assert!(Decimal::new(&[0xff, 0xff, 0xff, 0xff], 9, 0).is_err());
}

proptest! {
    #[test]
    fn every_decimal_prints_its_digits(
        digits in "[0-9]{1,81}", scale in 0usize..=81, negative: bool,
    ) {
        let scale = scale.min(digits.len());
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let whole = whole.trim_start_matches('0');
        let mut expected = format!("{}{}", if negative { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
        if scale > 0 {
            expected = format!("{expected}.{fraction}");
        }
        let packed = pack(negative, &digits, scale);
        prop_assert_eq!(print(&packed, digits.len() as u8, scale as u8), expected);
    }

    #[test]
    fn any_bytes_either_print_or_are_refused(bytes: Vec<u8>, precision: u8, scale: u8) {
        if let Ok(decimal) = Decimal::new(&bytes, precision, scale) {
            let mut out = Vec::new();
            decimal.write(&mut out);
            prop_assert!(out.len() <= 84);
        }
        let mut out = Vec::new();
        Decimal { bytes: &bytes, precision, scale }.write(&mut out);
        prop_assert!(out.len() < 600);
    }
}
