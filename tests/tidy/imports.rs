//! Who may name whom: `src` imports `actors` imports `binlog`, adapters do not know each other, and vendor
//! types stop at the adapter that needs them. The tables below are the rule; changing one is a decision.

use crate::{File, Part, holds};

/// Modules of `src/` that stand behind a port, and which others each may use.
const ADAPTERS: &[(&str, &[&str])] = &[
    ("checkpoint", &["mysql"]),
    ("encode", &[]),
    ("mysql", &[]),
    ("replay", &[]),
    ("sinks", &[]),
    ("snapshot", &["sinks"]),
    ("telemetry", &[]),
    ("warehouse", &[]),
];

/// Modules that put the options of components together, and whose they take. Nobody else but the roots knows these two.
const COMPOSERS: &[(&str, &[&str])] = &[
    (
        "plan",
        &[
            "checkpoint",
            "encode",
            "mysql",
            "settings",
            "sinks",
            "snapshot",
            "telemetry",
            "warehouse",
        ],
    ),
    ("settings", &["sinks"]),
];

/// Modules that only the composition root and the command line know.
const ROOTS: &[&str] = &["cli", "pipeline"];

/// Vendor crates, and the places in `src/` where their types may be named.
const VENDORS: &[(&str, &[&str])] = &[
    ("aws_config", &["src/aws", "src/sinks/"]),
    ("aws_lc_rs", &["src/mysql/", "src/sha256"]),
    ("aws_runtime", &["src/aws"]),
    ("aws_sdk_firehose", &["src/sinks/firehose"]),
    ("aws_sdk_kinesis", &["src/sinks/kinesis"]),
    ("aws_sigv4", &["src/aws"]),
    ("aws_smithy", &["src/aws", "src/sinks/"]),
    ("aws_types", &["src/aws"]),
    ("clap", &["src/cli/"]),
    ("glob", &["src/pipeline/verify/"]),
    ("metrics_exporter_prometheus", &["src/telemetry/"]),
    ("mysql_common", &["src/mysql/"]),
    (
        "rustix",
        &["src/lease/", "src/pipeline/system", "src/durable"],
    ),
    ("socket2", &["src/mysql/"]),
    ("tempfile", &["src/pipeline/verify/"]),
    (
        "tokio_postgres",
        &["src/pipeline/audit/table", "src/warehouse/"],
    ),
    ("tokio_rustls", &["src/mysql/"]),
    ("tracing_subscriber", &["src/telemetry/"]),
    ("webpki_roots", &["src/certificates.rs"]),
];

/// What the crates below the program must not name. (binlog: bytes in, changes out.)
const BINLOG_MUST_NOT: &[&str] = &[
    "async fn",
    "headwater_actors",
    "Instant::",
    "mysql_async",
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "tokio",
    "unsafe ",
];
const ACTORS_MUST_NOT: &[&str] = &[
    "aws_",
    "mysql_async",
    "mysql_common",
    "std::fs",
    "std::net",
    "tokio::fs",
    "tokio::net",
];

fn forbidden(file: &File, folder: &str, words: &[&str]) -> Vec<String> {
    if !file.is_rust() || !file.path.starts_with(folder) {
        return Vec::new();
    }
    file.code(Part::Product)
        .flat_map(|(at, line)| {
            let found = words.iter().filter(|word| line.contains(**word));
            found.map(move |word| file.breach(at, &format!("`{word}` has no place in {folder}")))
        })
        .collect()
}

#[test]
fn the_binlog_crate_does_no_input_or_output() {
    holds(
        |file| forbidden(file, "binlog/src/", BINLOG_MUST_NOT),
        &[File::of("binlog/src/x.rs", "//! X.\nuse std::fs::File;\n")],
        &[File::of(
            "binlog/src/x.rs",
            "//! No tokio.\n#[cfg(test)]\nmod tests { use std::fs; }\n",
        )],
    );
}

#[test]
fn the_actors_know_no_vendor_and_open_nothing() {
    holds(
        |file| forbidden(file, "actors/src/", ACTORS_MUST_NOT),
        &[File::of(
            "actors/src/x.rs",
            "use aws_sdk_kinesis::Client;\n",
        )],
        &[File::of(
            "actors/src/x.rs",
            "// aws_sdk_kinesis is behind a port\nuse crate::lane;\n",
        )],
    );
}

#[test]
fn crates_depend_downwards_only() {
    let rule = |file: &File| {
        let banned: &[&str] = match file.path.as_str() {
            "binlog/Cargo.toml" => &["actix", "headwater", "metrics", "tokio", "tracing"],
            "actors/Cargo.toml" => &["aws-", "headwater.", "mysql_", "reqwest"],
            "warehouse/Cargo.toml" => &[
                "actix",
                "aws-",
                "headwater-actors",
                "headwater.",
                "mysql_",
                "tokio",
            ],
            _ => return Vec::new(),
        };
        let lines = file
            .text
            .lines()
            .enumerate()
            .skip_while(|(_, line)| *line != "[dependencies]");
        lines
            .skip(1)
            .take_while(|(_, line)| !line.starts_with('['))
            .filter(|(_, line)| banned.iter().any(|name| line.starts_with(name)))
            .map(|(at, line)| file.breach(at + 1, line))
            .collect()
    };
    holds(
        rule,
        &[File::of(
            "binlog/Cargo.toml",
            "[dependencies]\nbytes = \"1\"\ntokio = \"1\"\n",
        )],
        &[File::of(
            "binlog/Cargo.toml",
            "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\ntokio = \"1\"\n",
        )],
    );
}

/// The modules of its own crate that the product code of a file names: `crate::x`, `crate::{x, y::z}`.
pub(crate) fn modules_used(file: &File) -> Vec<String> {
    named_behind(file, "crate::")
}

/// What the product code of a file names first behind `root`.
pub(crate) fn named_behind(file: &File, root: &str) -> Vec<String> {
    let lines: Vec<_> = file.code(Part::Product).map(|(_, line)| line).collect();
    let code = lines.join(" ");
    let name_of = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut used = Vec::new();
    for after in code.split(root).skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            used.push(name_of(after));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for character in group.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => used.push(name_of(&std::mem::take(&mut item))),
                _ => (),
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && character != ',' {
                item.push(character);
            }
        }
        used.push(name_of(&item));
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn adapters_do_not_know_each_other() {
    let rule = |file: &File| {
        let Some(inner) = file.path.strip_prefix("src/").filter(|_| file.is_rust()) else {
            return Vec::new();
        };
        let here = inner.split(['/', '.']).next().unwrap_or_default();
        if ROOTS.contains(&here) || matches!(here, "lib" | "main") {
            return Vec::new();
        }
        let allowed = ADAPTERS
            .iter()
            .chain(COMPOSERS)
            .find(|(name, _)| *name == here)
            .map_or(&[][..], |(_, a)| a);
        modules_used(file)
            .into_iter()
            .filter(|used| used != here && !allowed.contains(&used.as_str()))
            .filter(|used| {
                let is = |(name, _): &(&str, &[&str])| name == used;
                ROOTS.contains(&used.as_str()) || ADAPTERS.iter().chain(COMPOSERS).any(is)
            })
            .map(|used| file.breach(1, &format!("uses `crate::{used}`")))
            .collect()
    };
    holds(
        rule,
        &[
            File::of("src/sinks/file.rs", "use crate::mysql::connect;\n"),
            File::of(
                "src/encode/mod.rs",
                "use crate::{\n    plan::{A, B},\n    sinks::Sink,\n};\n",
            ),
            File::of("src/plan.rs", "fn f() { crate::pipeline::run() }\n"),
            File::of("src/sinks/file.rs", "use crate::plan::Plan;\n"),
        ],
        &[
            File::of(
                "src/checkpoint/mysql.rs",
                "use crate::{mysql::connect, options};\n",
            ),
            File::of(
                "src/sinks/file.rs",
                "use crate::{aws, options::{Error, mysql}, secret};\n",
            ),
            File::of(
                "src/plan.rs",
                "use crate::{settings::Loaded, sinks::SinkPlan};\n",
            ),
            File::of("src/pipeline.rs", "use crate::{mysql, sinks};\n"),
        ],
    );
}

/// `crate::` or `crate_x::` at the start of a path: not a module of ours that ends alike.
fn names(line: &str, vendor: &str) -> bool {
    line.match_indices(vendor).any(|(at, _)| {
        let is_inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let rest =
            line[at + vendor.len()..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        !is_inside && rest.starts_with("::")
    })
}

#[test]
fn vendor_types_stop_at_their_adapter() {
    let rule = |file: &File| {
        if !file.is_rust() || !file.path.starts_with("src/") {
            return Vec::new();
        }
        file.code(Part::Product)
            .flat_map(|(at, line)| {
                let strayed = VENDORS.iter().filter(|(vendor, places)| {
                    names(line, vendor) && !places.iter().any(|place| file.path.starts_with(place))
                });
                strayed.map(move |(vendor, places)| {
                    file.breach(at, &format!("`{vendor}` belongs to {}", places.join(", ")))
                })
            })
            .collect()
    };
    holds(
        rule,
        &[
            File::of("src/pipeline.rs", "use mysql_common::Value;\n"),
            File::of("src/sinks/file.rs", "use aws_sdk_kinesis::Client;\n"),
        ],
        &[File::of(
            "src/sinks/kinesis/call.rs",
            "use aws_sdk_kinesis::Client;\n",
        )],
    );
}
