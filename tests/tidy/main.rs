//! The house rules, checked by program: each rule is a function from a file's text to what breaks it, so
//! that it is shown to find a breach before it is trusted to find none.
//!
//! Texts are compared line by line, not parsed: code from a `#[cfg(test)]` with a body up to the end of a file, files
//! named `tests.rs` and everything under a `tests` folder count as tests.

#![allow(clippy::unwrap_used)] // a test ends there

mod additions;
mod failures;
mod imports;
mod layers;
mod pages;

use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 500;

struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    fn of(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz"))
    }

    /// The lines, numbered from 1, without comments: of the product, or of its tests.
    fn code(&self, part: Part) -> impl Iterator<Item = (usize, &str)> {
        let tests_from = match (self.is_test(), part) {
            (true, _) => 0,
            _ => self
                .text
                .lines()
                .zip(self.text.lines().skip(1))
                .position(|(line, next)| line == "#[cfg(test)]" && !next.ends_with(';'))
                .unwrap_or(usize::MAX),
        };
        self.text
            .lines()
            .enumerate()
            .filter(move |(at, _)| (*at >= tests_from) == (part == Part::Tests))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
    }

    fn breach(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Product,
    Tests,
}

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .expect("cargo sets it for tests")
}

/// Every text file of the repository; built and downloaded things are not part of it.
fn files() -> Vec<File> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<File>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_ours = matches!(name.as_str(), ".ci" | ".dockerignore" | ".gitignore");
            if (name.starts_with('.') && !is_ours) || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(File { path, text });
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(
        found.iter().filter(|file| file.is_rust()).count() > 20,
        "the walk finds the sources"
    );
    found
}

/// Shows that the rule finds `bad` and passes `good`, then that no file breaks it.
fn holds(rule: impl Fn(&File) -> Vec<String>, bad: &[File], good: &[File]) {
    for file in bad {
        assert!(!rule(file).is_empty(), "the rule misses:\n{}", file.text);
    }
    for file in good {
        assert_eq!(
            rule(file),
            Vec::<String>::new(),
            "the rule is too strict:\n{}",
            file.text
        );
    }
    let breaches: Vec<_> = files().iter().flat_map(rule).collect();
    assert!(
        breaches.is_empty(),
        "{} breaches:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn every_source_file_opens_with_its_promise() {
    let rule = |file: &File| {
        let is_bare = file.is_rust() && !file.text.starts_with("//! ");
        is_bare
            .then(|| file.breach(1, "opens with no `//!`"))
            .into_iter()
            .collect()
    };
    holds(
        rule,
        &[File::of("src/x.rs", "use a;\n")],
        &[File::of("src/x.rs", "//! It holds.\n")],
    );
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let rule = |file: &File| {
        let lines = file.text.lines().count();
        let is_long = file.is_rust() && lines > LINES_MAX;
        is_long
            .then(|| file.breach(lines, "split it by subject"))
            .into_iter()
            .collect()
    };
    holds(
        rule,
        &[File::of("src/x.rs", &"\n".repeat(LINES_MAX + 1))],
        &[
            File::of("src/x.rs", &"\n".repeat(LINES_MAX)),
            File::of("x.md", &"\n".repeat(900)),
        ],
    );
}

#[test]
fn no_test_sleeps_or_is_left_out() {
    let (sleep, paused) = (concat!("sleep", "("), ["start_paused", "time::pause()"]);
    let never = [concat!("#[", "ignore"), concat!("fn te", "st_")];
    let rule = move |file: &File| {
        // The harness polls real servers, each wait with an end; paused time passes at once.
        let is_harness =
            file.path.starts_with("tests/harness/") || file.path.starts_with("benches/");
        if !file.is_rust() || is_harness {
            return Vec::new();
        }
        let is_paused = paused.iter().any(|word| file.text.contains(word));
        file.code(Part::Tests)
            .filter(|(_, line)| {
                (line.contains(sleep) && !is_paused) || never.iter().any(|word| line.contains(word))
            })
            .map(|(at, line)| file.breach(at, line.trim()))
            .collect()
    };
    let tests = |line: &str| {
        File::of(
            "src/x.rs",
            &format!("//! X.\n#[cfg(test)]\nmod tests {{ {line} }}\n"),
        )
    };
    holds(
        rule,
        &[
            tests(&format!("fn f() {{ {sleep}1) }}")),
            File::of("tests/x.rs", &format!("{}]\n", never[0])),
            tests(&format!("{}it() {{}}", never[1])),
        ],
        &[File::of("src/x.rs", &format!("fn f() {{ {sleep}1) }}\n"))],
    );
}

#[test]
fn nothing_is_left_undone_in_the_code() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
    ];
    let rule = move |file: &File| {
        let lines = file.text.lines().enumerate().filter(|_| file.is_rust());
        lines
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            .map(|(at, line)| file.breach(at + 1, line.trim()))
            .collect()
    };
    holds(
        rule,
        &[File::of("src/x.rs", &format!("{})", words[0]))],
        &[],
    );
}

#[test]
fn metrics_are_counted_by_the_names_of_the_table() {
    let starts = ["counter!(\"", "gauge!(\"", "histogram!(\""];
    let rule = move |file: &File| {
        if !file.is_rust() || file.is_test() {
            return Vec::new();
        }
        file.code(Part::Product)
            .filter(|(_, line)| starts.iter().any(|start| line.contains(start)))
            .map(|(at, line)| file.breach(at, line.trim()))
            .collect()
    };
    holds(
        rule,
        &[File::of("src/x.rs", &format!("{}x\")", starts[0]))],
        &[],
    );
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let places = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
    ];
    let rule = move |file: &File| {
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| places.iter().any(|place| line.contains(place)))
            .map(|(at, line)| file.breach(at + 1, line.trim()))
            .collect()
    };
    holds(
        rule,
        &[File::of("x.md", &format!("see {}x", places[0]))],
        &[],
    );
}

#[test]
fn only_what_is_built_for_tests_can_be_told_to_break() {
    let rule = |file: &File| {
        if !file.path.ends_with("Cargo.toml") {
            return Vec::new();
        }
        let (mut section, mut found) = ("", Vec::new());
        for (at, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                section = line;
            }
            let asks = line.contains("\"faults\"") || line.contains("/faults");
            if asks && section != "[dev-dependencies]" {
                found.push(file.breach(at + 1, line));
            }
        }
        found
    };
    let asks = "x = { workspace = true, features = [\"faults\"] }\n";
    let manifest = |section: &str| File::of("Cargo.toml", &format!("[{section}]\n{asks}"));
    holds(
        rule,
        &[
            manifest("dependencies"),
            File::of("a/Cargo.toml", "[features]\ndefault = [\"faults\"]\n"),
        ],
        &[
            manifest("dev-dependencies"),
            File::of("a/Cargo.toml", "[features]\nfaults = []\n"),
        ],
    );
}

#[test]
fn the_profile_of_the_binary_is_not_that_of_a_named_package() {
    // cargo 1.95 leaves the symbols in such a binary, whatever `strip` says.
    let rule = |file: &File| {
        let (mut section, mut found) = ("", Vec::new());
        for (at, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                section = line;
            }
            let names_it = line == "[profile.release.package.headwater]"
                || section == "[profile.release.package]" && line.starts_with("headwater =");
            if names_it && file.path.ends_with("Cargo.toml") {
                found.push(file.breach(at + 1, line));
            }
        }
        found
    };
    let manifest = |text: &str| File::of("Cargo.toml", text);
    holds(
        rule,
        &[
            manifest("[profile.release.package.headwater]\ncodegen-units = 1\n"),
            manifest("[profile.release.package]\nheadwater = { codegen-units = 1 }\n"),
        ],
        &[manifest(
            "[profile.release.package]\nheadwater-verify = { opt-level = \"s\" }\n",
        )],
    );
}
