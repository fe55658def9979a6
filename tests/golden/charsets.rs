//! Character sets, exhaustively: every code of one, two and three bytes, of the Unicode ones every character of
//! the basic plane, decoded as the server converts it.

use headwater_binlog::charset::Charset;

use crate::{
    scenario::Scenario,
    texts::{CHARSETS, UNSUPPORTED},
};

#[tokio::test]
async fn every_character_set_decodes_as_the_server_converts() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("SET cte_max_recursion_depth = 100000, sql_log_bin = 0; CREATE TABLE n (n INT PRIMARY KEY)")
        .await;
    scenario
        .run("INSERT INTO n WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 65535) SELECT n FROM r")
        .await;
    scenario
        .run(
            "CREATE TABLE codes (code VARBINARY(4), is_byte INT); \
             INSERT INTO codes SELECT CHAR(n USING binary), 1 FROM n WHERE n < 256; \
             INSERT INTO codes SELECT CHAR(n USING binary), 0 FROM n WHERE n >= 32768; \
             INSERT INTO codes SELECT CONCAT(x'8f', CHAR(n USING binary)), 0 FROM n \
             WHERE n DIV 256 BETWEEN 161 AND 254 AND n % 256 BETWEEN 161 AND 254; \
             CREATE TABLE plane (v VARCHAR(1) CHARACTER SET utf8mb4); \
             INSERT INTO plane SELECT CONVERT(CHAR(n USING utf32) USING utf8mb4) FROM n \
             WHERE n NOT BETWEEN 55296 AND 57343",
        )
        .await;
    let mut differences = Vec::new();
    let mut compared = 0;
    for name in CHARSETS {
        if UNSUPPORTED.contains(&name) {
            continue;
        }
        let id = format!(
            "SELECT id FROM information_schema.collations WHERE character_set_name = '{name}' AND is_default = 'Yes'"
        );
        let id = scenario.server.query_value(&id).await.expect("an id");
        let charset = Charset::of_collation(id.parse().expect("a number"));
        let is_single = scenario
            .server
            .query_value(&format!("SELECT maxlen = 1 FROM information_schema.character_sets WHERE character_set_name = '{name}'"))
            .await
            .expect("a width");
        let is_unicode = name.starts_with("u") && name != "ujis" || name == "gb18030";
        let plane = if is_unicode { "" } else { "WHERE FALSE" };
        let is_single = if name.starts_with("utf") || name == "ucs2" {
            "1"
        } else {
            &is_single
        };
        let codes = if is_single == "1" {
            "WHERE is_byte"
        } else {
            ""
        };
        scenario
            .run(&format!(
                "CREATE OR REPLACE VIEW wanted AS SELECT code FROM codes {codes}; \
                 CREATE TABLE as_{name} (v VARCHAR(4) CHARACTER SET {name}); \
                 INSERT IGNORE INTO as_{name} SELECT code FROM wanted; \
                 INSERT IGNORE INTO as_{name} SELECT v FROM plane {plane}"
            ))
            .await;
        let sql = format!(
            "SELECT CAST(v AS BINARY), CONVERT(v USING utf8mb4) FROM as_{name} WHERE v <> ''"
        );
        let rows: Vec<(Vec<u8>, String)> = scenario.query(&sql).await;
        let mut seen = std::collections::BTreeSet::new();
        for (bytes, text) in rows {
            if is_unassigned(name, &bytes, &text) || !seen.insert(bytes.clone()) {
                continue;
            }
            compared += 1;
            let ours = charset.decode(&bytes);
            if ours.as_deref().ok() != Some(&text) {
                differences.push(format!(
                    "{name} {bytes:02x?}: {ours:?}, the server {text:?} {:x?}",
                    text.chars().map(u32::from).collect::<Vec<_>>()
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ: {:#?}",
        differences.len(),
        differences.iter().take(40).collect::<Vec<_>>()
    );
    assert!(compared > 100_000, "{compared} characters compared");
}

/// Codes that the server stores but has no character for: it prints `?` or U+FFFD, or stops there. What we
/// make of them is an error, or the character that the encoding's standard has.
fn is_unassigned(name: &str, bytes: &[u8], text: &str) -> bool {
    let is_lone_surrogate = |pair: &[u8]| matches!(pair, [0xd8..=0xdf, _]);
    let question_bytes = match name {
        "ucs2" | "utf16" | "utf16le" => 2,
        "utf32" => 4,
        _ => 1,
    };
    match text {
        "?" => bytes.len() != question_bytes || !bytes.contains(&b'?'),
        "??" | "\u{fffd}" => true,
        _ => name == "ucs2" && bytes.chunks(2).any(is_lone_surrogate),
    }
}
