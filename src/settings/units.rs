//! What to write for a number with a unit, `64MiB`, `10s`: settings are whole numbers in the unit of their key.

/// Suffixes in lower case, and how many bytes each is.
const BYTES: [(&str, u64); 10] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
];

/// The same in milliseconds.
const MILLISECONDS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
];

/// The number in the unit that the key's name ends with; `None` where the text is no number with a unit of that sort.
pub(super) fn number_of(key: &str, text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|found: char| !found.is_ascii_digit())?);
    let number: u64 = digits.parse().ok()?;
    let unit = unit.trim().to_lowercase();
    let of = |units: &[(&str, u64)]| {
        let (_, size) = *units.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(size)
    };
    let (_, name) = super::schema::split(key);
    if name.contains("bytes") {
        of(&BYTES)
    } else if name.ends_with("_ms") {
        of(&MILLISECONDS)
    } else if name.ends_with("_secs") {
        of(&MILLISECONDS)
            .filter(|ms| ms % 1000 == 0)
            .map(|ms| ms / 1000)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_told_in_the_unit_of_its_key() {
        for (key, text, wanted) in [
            ("memory.budget_bytes", "64MiB", Some(67_108_864)),
            ("memory.budget_bytes", "1 GB", Some(1_000_000_000)),
            ("sink.kinesis.in_flight_bytes_max", "8m", Some(8 << 20)),
            ("shutdown.grace_secs", "10s", Some(10)),
            ("shutdown.grace_secs", "2m", Some(120)),
            ("shutdown.grace_secs", "10ms", None),
            ("checkpoint.interval_ms", "1s", Some(1000)),
            ("shutdown.grace_secs", "10MiB", None),
            ("ordering.lanes", "4s", None),
            ("memory.budget_bytes", "lots", None),
            ("memory.budget_bytes", "99999999999g", None),
        ] {
            assert_eq!(number_of(key, text), wanted, "{key} {text}");
        }
    }
}
