//! Decisions never read the text of an error: its class, code and type tell it apart.
//!
//! Seen are comparisons of what is named after an error, or was made a text on the spot, also in a chain over several
//! lines. A text under another name passes: `mysql::fatal` is the one place that needs it.

use super::{File, Part, holds};

const TEXTS: [&str; 10] = [
    "cause",
    "error",
    "err",
    "failure",
    "hint",
    "line()",
    "message",
    "message()",
    "reason",
    "to_string()",
];
const COMPARES: [&str; 8] = [
    ".contains(",
    ".ends_with(",
    ".eq(",
    ".find(",
    ".matches(",
    ".starts_with(",
    " == \"",
    " != \"",
];
/// What a `format!` is compared by on the spot.
const FORMATTED: [&str; 3] = ["error}\").", "failure}\").", "cause}\")."];

#[test]
fn no_decision_reads_the_text_of_a_failure() {
    let product = |line: &str| File::of("src/x.rs", &format!("//! X.\n{line}\n"));
    holds(
        rule,
        &[
            product("Err(failure) if failure.message.contains(\" 1062 \") => Ok(false),"),
            product("if error.to_string().starts_with(\"ERROR\") {}"),
            product("if failure\n    .to_string()\n    .contains(\"gone\")\n{}"),
            product("if error.to_string() == \"gone\" {}"),
            product("if format!(\"{error}\").contains(\"gone\") {}"),
            product("match service.err().message().ends_with(\"shard\") {}"),
        ],
        &[
            product("if failure.code == Some(Code::Late) {}"),
            product("if failure.is_mysql(1062) {}"),
            product("if codes.contains(&error.code) || errors.contains(&error) {}"),
            product("/// As `error.to_string().contains(\"gone\")` would."),
            product(
                "#[cfg(test)]\nmod tests { fn f() { failure.to_string().contains(\"gone\") } }",
            ),
            File::of(
                "src/x/tests.rs",
                "//! X.\nassert!(failure.to_string().contains(\"gone\"));\n",
            ),
        ],
    );
}

fn rule(file: &File) -> Vec<String> {
    if !file.is_rust() || file.is_test() {
        return Vec::new();
    }
    chains(file)
        .into_iter()
        .filter(|(_, code)| reads_a_text(code))
        .map(|(at, code)| file.breach(at, code.trim()))
        .collect()
}

fn reads_a_text(code: &str) -> bool {
    let follows = |text: &str| {
        code.match_indices(text).any(|(at, _)| {
            let before = code.get(..at).and_then(|code| code.chars().next_back());
            let after = code.get(at + text.len()..).unwrap_or_default();
            let is_whole = !before.is_some_and(char::is_alphanumeric);
            is_whole && COMPARES.iter().any(|compare| after.starts_with(compare))
        })
    };
    let is_formatted = |end: &&str| {
        code.split_once(*end).is_some_and(|(_, after)| {
            COMPARES
                .iter()
                .any(|compare| after.starts_with(&compare[1..]))
        })
    };
    TEXTS.iter().any(|text| follows(text)) || FORMATTED.iter().any(is_formatted)
}

/// The product's code, a chain of calls on one line, numbered by its first.
fn chains(file: &File) -> Vec<(usize, String)> {
    let mut chains: Vec<(usize, String)> = Vec::new();
    for (at, line) in file.code(Part::Product) {
        match chains.last_mut() {
            Some((_, chain)) if line.trim_start().starts_with('.') => chain.push_str(line.trim()),
            _ => chains.push((at, line.to_owned())),
        }
    }
    chains
}
