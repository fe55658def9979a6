//! Character sets, exhaustively: every byte, every pair of bytes, every three bytes of EUC and every character
//! of Unicode, in every character set that can have them, decoded as the server converts it.
//!
//! Where the server has a character we have the same. Where it has none (it prints `?`, or cannot convert) we
//! have an error, or the character that the encoding's standard has there; `?` is never made up.

use headwater_binlog::charset::Charset;

use crate::{scenario::Scenario, texts::CHARSETS};

/// A query for bytes and the server's text of them, `{cs}` being the character set.
struct Domain {
    of: fn(&str) -> bool,
    bytes: &'static str,
    rows: &'static str,
    /// Rows whose text is compared at least.
    compared_min: usize,
}

fn is_fixed_width(name: &str) -> bool {
    matches!(name, "ucs2" | "utf16" | "utf16le" | "utf32")
}

fn is_multi_byte(name: &str) -> bool {
    let east_asian = [
        "big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis",
    ];
    east_asian.contains(&name)
}

fn is_unicode(name: &str) -> bool {
    name.starts_with("utf") || matches!(name, "ucs2" | "gb18030")
}

const DOMAINS: [Domain; 4] = [
    Domain {
        of: |name| !is_fixed_width(name),
        bytes: "CHAR(n USING binary)",
        rows: "n < 256",
        compared_min: 90,
    },
    Domain {
        of: |name| is_multi_byte(name) || matches!(name, "ucs2" | "utf16" | "utf16le"),
        bytes: "CONCAT(CHAR(n DIV 256 USING binary), CHAR(n % 256 USING binary))",
        rows: "n < 65536",
        compared_min: 16_384,
    },
    Domain {
        of: |name| matches!(name, "ujis" | "eucjpms"),
        bytes: "CONCAT(x'8f', CHAR(n DIV 256 USING binary), CHAR(n % 256 USING binary))",
        rows: "n < 65536",
        compared_min: 5_000,
    },
    Domain {
        of: |name| name == "gb18030",
        bytes: "CONCAT(CHAR(129 + n DIV 12600 USING binary), CHAR(48 + n DIV 1260 % 10 USING binary), \
                CHAR(129 + n DIV 10 % 126 USING binary), CHAR(48 + n % 10 USING binary))",
        rows: "n < 50400",
        compared_min: 39_000,
    },
];

#[tokio::test]
async fn every_character_set_decodes_as_the_server_converts() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("SET cte_max_recursion_depth = 100000, sql_log_bin = 0; CREATE TABLE n (n INT PRIMARY KEY)")
        .await;
    scenario
        .run("INSERT INTO n WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 65535) SELECT n FROM r")
        .await;
    // Bytes that are not of the character set give NULL, not the text before them.
    scenario.run("SET sql_mode = 'STRICT_TRANS_TABLES'").await;
    let mut differences = Vec::new();
    for name in CHARSETS {
        let charset = charset_of(&mut scenario, name).await;
        for domain in DOMAINS.iter().filter(|domain| (domain.of)(name)) {
            let (bytes, rows) = (domain.bytes, domain.rows);
            let sql = format!(
                "SELECT {bytes}, CONVERT(CONVERT({bytes} USING {name}) USING utf8mb4) FROM n WHERE {rows}"
            );
            let mut compared = 0;
            for (bytes, theirs) in scenario.query::<(Vec<u8>, Option<String>)>(&sql).await {
                let ours = charset.decode(&bytes);
                let Some(theirs) = theirs.filter(|text| !is_unassigned(name, &bytes, text)) else {
                    if ours.is_ok_and(|text| text.contains('?') && !bytes.contains(&b'?')) {
                        differences.push(format!("{name} {bytes:02x?}: `?` from nothing"));
                    }
                    continue;
                };
                compared += 1;
                if ours.as_deref().ok() != Some(&theirs) {
                    differences.push(format!(
                        "{name} {bytes:02x?}: {ours:?}, the server {theirs:?}"
                    ));
                }
            }
            assert!(
                compared >= domain.compared_min,
                "{name}: {compared} of {rows}"
            );
        }
    }
    ensure_none(&differences);
}

#[tokio::test]
async fn every_character_of_unicode_comes_back_from_every_character_set_that_has_it() {
    const RUN: u32 = 256;
    let mut scenario = Scenario::start(&[]).await;
    let mut differences = Vec::new();
    for name in CHARSETS {
        let charset = charset_of(&mut scenario, name).await;
        let last = if is_unicode(name) {
            0x11_0000
        } else {
            0x1_0000
        };
        let mut compared = 0;
        for first in (0..last).step_by(RUN as usize * 64) {
            let runs: Vec<String> = (first..last.min(first + RUN * 64))
                .step_by(RUN as usize)
                .map(|first| {
                    let run = (first..first + RUN).filter_map(char::from_u32);
                    // big5 and tis620 "have" U+FFFD: what the server makes of some unassigned codes.
                    run.filter(|&it| it != '\u{fffd}' || is_unicode(name))
                        .collect()
                })
                .collect();
            let values: Vec<String> = runs
                .iter()
                .map(|run| format!("ROW({})", crate::texts::literal(run)))
                .collect();
            let sql = format!(
                "SELECT CAST(CONVERT(column_0 USING {name}) AS BINARY), \
                 CONVERT(CONVERT(column_0 USING {name}) USING utf8mb4) FROM (VALUES {}) AS t",
                values.join(", ")
            );
            for (bytes, theirs) in scenario.query::<(Vec<u8>, String)>(&sql).await {
                let ours = charset.decode(&bytes);
                compared += theirs.chars().filter(|character| *character != '?').count();
                if ours.as_deref().ok() == Some(&theirs) {
                    continue;
                }
                let ours = ours.map(|text| {
                    let pairs = text.chars().zip(theirs.chars());
                    let pairs = pairs.filter(|(ours, theirs)| ours != theirs);
                    pairs.take(8).collect::<Vec<_>>()
                });
                differences.push(format!("{name}: {ours:?}"));
            }
        }
        let least = match name {
            "ucs2" | "utf8mb3" => 63_487,
            name if is_unicode(name) => 1_112_063,
            name if is_multi_byte(name) => 7_000,
            _ => 90,
        };
        assert!(compared >= least, "{name}: {compared} characters");
    }
    ensure_none(&differences);
}

async fn charset_of(scenario: &mut Scenario, name: &str) -> Charset {
    let id = format!(
        "SELECT id FROM information_schema.collations WHERE character_set_name = '{name}' AND is_default = 'Yes'"
    );
    let id = scenario.server.query_value(&id).await.expect("an id");
    Charset::of_collation(id.parse().expect("a number"))
}

fn ensure_none(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differ: {:#?}",
        differences.len(),
        differences.iter().take(60).collect::<Vec<_>>()
    );
}

/// Codes that the server stores but has no character for.
fn is_unassigned(name: &str, bytes: &[u8], text: &str) -> bool {
    let is_lone_surrogate = |pair: &[u8]| matches!(pair, [0xd8..=0xdf, _]);
    if name == "ucs2" && is_lone_surrogate(bytes) {
        return true;
    }
    if matches!(name, "ujis" | "eucjpms") && is_cut_short(bytes) {
        return true;
    }
    let question_marks = match name {
        "ucs2" | "utf16" => usize::from(bytes == [0, b'?']),
        "utf16le" => usize::from(bytes == [b'?', 0]),
        _ => bytes.iter().filter(|byte| **byte == b'?').count(),
    };
    let found = text.chars().filter(|character| *character == '?').count();
    found > question_marks || text.contains('\u{fffd}') && !is_unicode(name)
}

/// The last code of EUC-JP lacks bytes: the server stops before it.
fn is_cut_short(mut bytes: &[u8]) -> bool {
    while let [lead, ..] = bytes {
        let length = match lead {
            0x8f => 3,
            0x8e | 0xa1..=0xfe => 2,
            _ => 1,
        };
        match bytes.get(length..) {
            Some(rest) => bytes = rest,
            None => return true,
        }
    }
    false
}
