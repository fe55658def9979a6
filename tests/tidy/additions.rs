//! What an addition costs: a sink or a format is named in its own place and in the one list of them, so that the
//! table in ARCHITECTURE.md stays true. Strings and comments do not count: a message may say `firehose`.

use crate::{File, Part, files, holds};

/// Enums whose variants are matched in one file each.
const CLOSED: &[(&str, &str)] = &[
    ("SinkPlan::", "src/sinks/kinds.rs"),
    ("Format::", "src/encode/formats.rs"),
];

/// A line without the text in its quotes.
fn without_strings(line: &str) -> String {
    let line = line.replace("\\\"", "");
    line.split('"').step_by(2).collect()
}

/// Whether a variant of the enum stands there, as in `SinkPlan::Null`; not `SinkPlan::of`, `LogFormat::Text`.
fn names_variant(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let is_longer = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = &line[at + path.len()..];
        !is_longer && rest.starts_with(char::is_uppercase)
    })
}

#[test]
fn nobody_asks_which_sink_or_format_it_is() {
    let rule = |file: &File| {
        if !file.is_rust() || !file.path.starts_with("src/") || file.is_test() {
            return Vec::new();
        }
        let lines = file.code(Part::Product);
        lines
            .flat_map(|(at, line)| {
                let line = without_strings(line);
                let strayed = CLOSED
                    .iter()
                    .filter(move |(path, home)| file.path != *home && names_variant(&line, path));
                strayed.map(move |(path, home)| {
                    file.breach(at, &format!("`{path}` is matched in {home} alone"))
                })
            })
            .collect()
    };
    holds(
        rule,
        &[File::of(
            "src/pipeline/outputs.rs",
            "SinkPlan::Null => 0,\n",
        )],
        &[
            File::of("src/sinks/kinds.rs", "SinkPlan::Null => 0,\n"),
            File::of("src/plan.rs", "LogFormat::Text => Format::encoder,\n"),
            File::of(
                "src/plan.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { SinkPlan::Null } }\n",
            ),
        ],
    );
}

/// The files of `src/` whose code has the word, without those in the folder.
fn named_in(word: &str, folder: &str) -> Vec<String> {
    let files = files().into_iter().filter(|file| {
        let is_ours = file.is_rust() && file.path.starts_with("src/") && !file.is_test();
        is_ours
            && !file.path.starts_with(folder)
            && file
                .code(Part::Product)
                .any(|(_, line)| without_strings(line).to_lowercase().contains(word))
    });
    files.map(|file| file.path).collect()
}

#[test]
fn a_sink_is_named_in_its_own_place_and_the_list_of_sinks() {
    assert_eq!(
        named_in("firehose", "src/sinks/firehose"),
        ["src/sinks/kinds.rs", "src/sinks/mod.rs"]
    );
}

#[test]
fn a_format_is_named_in_its_own_place_and_the_list_of_formats() {
    for format in ["maxwell", "debezium"] {
        assert_eq!(
            named_in(format, &format!("src/encode/{format}")),
            ["src/encode/formats.rs", "src/encode/mod.rs"]
        );
    }
}
