//! The keys of objects, as the page `s3-object-name` has them: prefix, hour in UTC, and a file's name of stream,
//! version, second and a random id, with the suffix of its compression.

use std::time::SystemTime;

use fastrand::Rng;
use time::OffsetDateTime;

use super::{Settings, buffers::Target};

/// Rises when the delivery stream's settings change, which they do not here.
const VERSION: u32 = 1;

pub(super) fn key(
    settings: &Settings,
    target: &Target,
    now: SystemTime,
    random: &mut Rng,
) -> String {
    let prefix = match target {
        Target::Data(folder) if folder.is_empty() => settings.prefix.clone(),
        Target::Data(folder) => format!("{}{folder}/", settings.prefix),
        Target::Failed(kind) => format!("{}{kind}/", settings.error_prefix),
    };
    let at = OffsetDateTime::from(now);
    let (year, month, day, hour) = (at.year(), u8::from(at.month()), at.day(), at.hour());
    let (minute, second, name) = (at.minute(), at.second(), &settings.name);
    let id = id(random);
    let suffix = if settings.is_gzip { ".gz" } else { "" };
    format!(
        "{prefix}{year:04}/{month:02}/{day:02}/{hour:02}/\
         {name}-{VERSION}-{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}-{id}{suffix}"
    )
}

/// In the form of a UUID.
fn id(random: &mut Rng) -> String {
    let digits = format!("{:032x}", random.u128(..));
    let mut rest = digits.as_str();
    let mut groups = Vec::new();
    for length in [8, 4, 4, 4, 12] {
        let (group, behind) = rest.split_at(length);
        groups.push(group);
        rest = behind;
    }
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_key_tells_hour_stream_version_and_second() {
        let at = UNIX_EPOCH + Duration::from_secs(1_772_373_570);
        let mut random = Rng::with_seed(1);
        let settings = Settings::default();
        let found = key(&settings, &Target::Data(String::new()), at, &mut random);
        let (name, id) =
            found.split_at(found.len() - "01234567-0123-0123-0123-0123456789ab.gz".len());
        assert_eq!(name, "changes/2026/03/01/13/changes-1-2026-03-01-13-59-30-");
        assert_eq!(id.matches('-').count(), 4);
        assert!(id.ends_with(".gz"));

        let failed = key(&settings, &Target::Failed("no-key"), at, &mut random);
        assert!(
            failed.starts_with("failed/no-key/2026/03/01/13/changes-1-"),
            "{failed}"
        );
        let part = key(&settings, &Target::Data("table=t".into()), at, &mut random);
        assert!(part.starts_with("changes/table=t/2026/03/01/13/"), "{part}");
    }
}
