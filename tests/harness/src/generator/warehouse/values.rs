//! One value on both sides: what `SELECT` prints in MySQL, and the text of it in PostgreSQL.

use serde_json::Value;
use time::{Date, Month};

use crate::golden::compare::Compare;

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// Its column holds nothing or a part of it, as it must.
    Lost,
    Different,
}

/// `stored` is what the manifest says of the column.
pub fn compare(
    compare: Compare,
    stored: &Value,
    mysql: Option<&[u8]>,
    found: Option<&str>,
) -> Verdict {
    let is = |is_same: bool| match is_same {
        true => Verdict::Same,
        false => Verdict::Different,
    };
    let Some(mysql) = mysql else {
        return is(found.is_none());
    };
    let kind = stored["type"].as_str().unwrap_or_default();
    if kind == "document" {
        return match found {
            Some(json) => is(compare.is_same(json, Some(mysql))),
            // A document `null` is NULL.
            None => is(compare == Compare::Json && mysql == b"null"),
        };
    }
    let printed = String::from_utf8_lossy(mysql);
    let printed = match compare {
        Compare::Base64 => printed.replace('\n', ""),
        _ => printed.into_owned(),
    };
    let same = |wanted: &str| is(found == Some(wanted));
    match kind {
        "small_int" | "integer" | "big_int" | "numeric" => same(&printed),
        "real" => is(number(&printed).map(|it| it as f32) == found.and_then(|it| it.parse().ok())),
        "double" => is(number(&printed) == found.and_then(number)),
        "date" | "timestamp" => match (is_day(&printed), found) {
            (false, None) => Verdict::Lost,
            (false, Some(_)) => Verdict::Different,
            (true, _) if printed.contains('.') => {
                same(printed.trim_end_matches('0').trim_end_matches('.'))
            }
            (true, _) => same(&printed),
        },
        "binary" => is(found.map(|it| it.replace('\n', "")) == Some(printed)),
        "varchar" => {
            let bytes_max = stored["bytes_max"].as_u64().unwrap_or(0) as usize;
            let part = &printed[..printed.floor_char_boundary(bytes_max)];
            match same(part) {
                Verdict::Same if part.len() < printed.len() => Verdict::Lost,
                verdict => verdict,
            }
        }
        _ => Verdict::Different,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Of the calendar, from the year 1 on.
fn is_day(text: &str) -> bool {
    let part = |range| {
        text.get(range)
            .and_then(|part: &str| part.parse::<u16>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(5..7), part(8..10)) else {
        return false;
    };
    let month = u8::try_from(month)
        .ok()
        .and_then(|it| Month::try_from(it).ok());
    let day = u8::try_from(day).ok();
    let is_there = |month, day| Date::from_calendar_date(i32::from(year), month, day).is_ok();
    0 < year
        && month
            .zip(day)
            .is_some_and(|(month, day)| is_there(month, day))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_of_any_type_is_seen_and_what_no_column_holds_is_lost() {
        let of = |kind: Compare, stored: &str, mysql: &str, found| {
            let stored = json!({"type": stored, "bytes_max": 4});
            compare(kind, &stored, Some(mysql.as_bytes()), found)
        };
        for (kind, stored, mysql, found, wanted) in [
            (Compare::Number, "integer", "7", Some("7"), Verdict::Same),
            (
                Compare::Number,
                "integer",
                "7",
                Some("8"),
                Verdict::Different,
            ),
            (Compare::Number, "integer", "7", None, Verdict::Different),
            (
                Compare::Float,
                "real",
                "0.10000000149011612",
                Some("0.1"),
                Verdict::Same,
            ),
            (Compare::Plain, "date", "2024-02-30", None, Verdict::Lost),
            (
                Compare::Plain,
                "date",
                "2024-02-29",
                None,
                Verdict::Different,
            ),
            (
                Compare::Plain,
                "timestamp",
                "2024-02-29 01:02:03.500",
                Some("2024-02-29 01:02:03.5"),
                Verdict::Same,
            ),
            (
                Compare::Text,
                "varchar",
                "größe",
                Some("grö"),
                Verdict::Lost,
            ),
            (
                Compare::Text,
                "varchar",
                "größe",
                Some("gr"),
                Verdict::Different,
            ),
            (
                Compare::Json,
                "document",
                "[1, 2.0]",
                Some("[1,2.0]"),
                Verdict::Same,
            ),
            (
                Compare::Json,
                "document",
                "[1, 2.0]",
                Some("[1,2]"),
                Verdict::Different,
            ),
        ] {
            assert_eq!(of(kind, stored, mysql, found), wanted, "{mysql} {found:?}");
        }
    }
}
