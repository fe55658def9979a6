//! Dates and times as `SELECT` prints them.

use proptest::prelude::*;

use super::*;

fn day(year: u16, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

#[test]
fn zero_and_partial_dates_print_as_stored() {
    assert_eq!(day(0, 0, 0).to_string(), "0000-00-00");
    assert_eq!(day(2024, 0, 0).to_string(), "2024-00-00");
    assert_eq!(day(0, 1, 1).to_string(), "0000-01-01");
    assert_eq!(day(9999, 12, 31).to_string(), "9999-12-31");
}

#[test]
fn times_print_sign_long_hours_and_the_columns_digits() {
    let longest = Time {
        negative: true,
        hours: 838,
        minutes: 59,
        seconds: 59,
        micros: 0,
        fsp: 6,
    };
    assert_eq!(longest.to_string(), "-838:59:59.000000");
    assert_eq!(Time { fsp: 0, ..longest }.to_string(), "-838:59:59");
    let short = Time {
        negative: false,
        hours: 0,
        minutes: 0,
        seconds: 1,
        micros: 230_000,
        fsp: 2,
    };
    assert_eq!(short.to_string(), "00:00:01.23");
    assert_eq!(
        Time {
            hours: 100,
            fsp: 1,
            ..short
        }
        .to_string(),
        "100:00:01.2"
    );
}

#[test]
fn date_times_print_every_number_of_digits() {
    let value = DateTime {
        date: day(2026, 3, 9),
        hours: 7,
        minutes: 8,
        seconds: 9,
        micros: 12_345,
        fsp: 0,
    };
    let texts: Vec<String> = (0..=6)
        .map(|fsp| DateTime { fsp, ..value }.to_string())
        .collect();
    assert_eq!(
        texts,
        [
            "2026-03-09 07:08:09",
            "2026-03-09 07:08:09.0",
            "2026-03-09 07:08:09.01",
            "2026-03-09 07:08:09.012",
            "2026-03-09 07:08:09.0123",
            "2026-03-09 07:08:09.01234",
            "2026-03-09 07:08:09.012345",
        ]
    );
}

#[test]
fn timestamps_print_in_utc_and_second_zero_is_the_zero_timestamp() {
    let at = |seconds, micros, fsp| {
        Timestamp {
            seconds,
            micros,
            fsp,
        }
        .to_string()
    };
    assert_eq!(at(0, 0, 3), "0000-00-00 00:00:00.000");
    assert_eq!(at(1, 0, 0), "1970-01-01 00:00:01");
    assert_eq!(at(951_782_400, 0, 0), "2000-02-29 00:00:00");
    assert_eq!(at(1_709_164_799, 999_000, 3), "2024-02-28 23:59:59.999");
    assert_eq!(at(2_147_483_647, 999_999, 6), "2038-01-19 03:14:07.999999");
    assert_eq!(at(u32::MAX, 0, 0), "2106-02-07 06:28:15");
}

proptest! {
    #[test]
    fn days_follow_each_other_by_the_calendar(days in 0u32..49_709) {
        assert_eq!(date_of_day(days).days_since_epoch(), Some(i64::from(days)));
        let (before, after) = (date_of_day(days), date_of_day(days + 1));
        let leap = before.year % 4 == 0 && (before.year % 100 != 0 || before.year % 400 == 0);
        let last = match before.month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let expected = match (before.month, before.day == last) {
            (_, false) => day(before.year, before.month, before.day + 1),
            (12, true) => day(before.year + 1, 1, 1),
            (month, true) => day(before.year, month + 1, 1),
        };
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn any_fields_print_without_panic(year: u16, month: u8, of_month: u8, hours: u16, micros: u32, fsp: u8) {
        let date = day(year, month, of_month);
        let time = Time { negative: true, hours, minutes: month, seconds: of_month, micros, fsp };
        prop_assert!(date.to_string().len() == 10);
        prop_assert!(time.to_string().len() <= 17);
    }
}

#[test]
fn only_days_of_the_calendar_are_counted() {
    let days = |year, month, day| Date { year, month, day }.days_since_epoch();
    assert_eq!(days(1970, 1, 1), Some(0));
    assert_eq!(days(1969, 12, 31), Some(-1));
    assert_eq!(days(0, 1, 1), Some(-719_528));
    assert_eq!(days(0, 2, 29), Some(-719_469));
    assert_eq!(days(9999, 12, 31), Some(2_932_896));
    for (year, month, day) in [
        (0, 0, 0),
        (2024, 0, 1),
        (2024, 1, 0),
        (2024, 13, 1),
        (2024, 2, 30),
        (1900, 2, 29),
        (2024, 4, 31),
    ] {
        assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
    }
}

#[test]
fn moments_are_utc() {
    assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
    assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
    assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
    assert_eq!(utc(1_795_439_655), "2026-11-23 13:14:15 UTC");
    assert_eq!(utc(4_107_542_399), "2100-02-28 23:59:59 UTC");
    assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00 UTC");
}
