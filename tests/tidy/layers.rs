//! The modules of each crate stand in layers: whoever is used does not use back, directly or by others.
//!
//! Inside `actors` the ports, the messages and the words they need stand below the actors, so a port can be
//! implemented, and a plan made, without naming one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    File, files, holds,
    imports::{modules_used, named_behind},
};

/// Where the modules of each crate stand.
const CRATES: &[&str] = &["actors/src/", "binlog/src/", "src/", "verify/src/"];

/// The modules that hold an actor each. Of these the Supervisor alone knows others.
const ACTORS: &[&str] = &["checkpointer", "reader", "router", "supervisor", "writer"];

/// The module at the top of its crate that the file is of, or is part of.
fn module_of<'a>(file: &'a File, root: &str) -> Option<&'a str> {
    let inner = file.path.strip_prefix(root)?;
    let is_product = file.is_rust() && !file.is_test();
    let name = inner.split(['/', '.']).next()?;
    (is_product && !matches!(name, "lib" | "main")).then_some(name)
}

/// The modules of a crate that use each other in a circle, or lie between two circles.
fn knot(files: &[File], root: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        if let Some(module) = module_of(file, root) {
            let used = uses.entry(module.into()).or_default();
            used.extend(modules_used(file).into_iter().filter(|name| name != module));
        }
    }
    // Whoever uses none of the rest is in no circle, nor is whom none of the rest uses.
    loop {
        let before = uses.len();
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        uses.retain(|_, used| {
            used.retain(|name| left.contains(name));
            !used.is_empty()
        });
        let used: BTreeSet<String> = uses.values().flatten().cloned().collect();
        uses.retain(|name, _| used.contains(name));
        if uses.len() == before {
            return uses;
        }
    }
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let source = |name: &str, text: &str| File::of(&format!("actors/src/{name}"), text);
    let circle = [
        source("lane.rs", "//! A lane.\n"),
        source("messages.rs", "use crate::{lane::Lane, ports::sink};\n"),
        source(
            "ports/sink.rs",
            "fn f() { crate::writer::packing::seal() }\n",
        ),
        source("reader.rs", "use crate::messages::SourceBatch;\n"),
        source("writer/mod.rs", "use crate::messages::LaneBatch;\n"),
    ];
    let found = knot(&circle, "actors/src/");
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["messages", "ports", "writer"]);

    let layers = [
        source("lane.rs", "//! Unlike crate::ports.\n"),
        source("lib.rs", "pub use crate::lane::Lane;\n"),
        source("ports/mod.rs", "use crate::ports::sink;\n"),
        source("ports/sink.rs", "use crate::lane::Lane;\n"),
        source("ports/tests.rs", "use crate::writer;\n"),
        source("writer.rs", "use crate::{lane, ports};\n"),
        File::of("binlog/src/lane.rs", "use crate::writer;\n"),
    ];
    assert_eq!(knot(&layers, "actors/src/"), BTreeMap::new());

    let files = files();
    for root in CRATES {
        assert!(
            files.iter().any(|file| module_of(file, root).is_some()),
            "{root} has modules"
        );
        let found = knot(&files, root);
        assert!(found.is_empty(), "a circle in {root}: {found:#?}");
    }
}

#[test]
fn no_port_message_or_actor_names_another_actor() {
    let rule = |file: &File| match module_of(file, "actors/src/") {
        None | Some("supervisor") => Vec::new(),
        Some(here) => modules_used(file)
            .into_iter()
            .filter(|used| used != here && ACTORS.contains(&used.as_str()))
            .map(|used| file.breach(1, &format!("uses the actor `{used}`")))
            .collect(),
    };
    holds(
        rule,
        &[
            File::of("actors/src/ports/sink.rs", "use crate::writer::buffer;\n"),
            File::of("actors/src/messages.rs", "use crate::{lane, reader};\n"),
            File::of("actors/src/reader/mod.rs", "use crate::router::Router;\n"),
        ],
        &[
            File::of("actors/src/ports/sink.rs", "use crate::packing::Packing;\n"),
            File::of(
                "actors/src/reader/intake/end.rs",
                "use crate::reader::rereads;\n",
            ),
            File::of(
                "actors/src/supervisor/spawn.rs",
                "use crate::{reader, writer};\n",
            ),
        ],
    );
}

#[test]
fn only_the_composition_root_names_actors() {
    let rule = |file: &File| {
        let is_root = module_of(file, "src/").is_none_or(|module| module == "pipeline");
        if is_root {
            return Vec::new();
        }
        named_behind(file, "headwater_actors::")
            .into_iter()
            .filter(|used| ACTORS.contains(&used.as_str()))
            .map(|used| file.breach(1, &format!("uses the actor `{used}`")))
            .collect()
    };
    holds(
        rule,
        &[File::of(
            "src/plan/packing.rs",
            "use headwater_actors::{\n    lane,\n    writer::packing::Packing,\n};\n",
        )],
        &[
            File::of(
                "src/plan/packing.rs",
                "use headwater_actors::packing::Packing;\n",
            ),
            File::of(
                "src/pipeline/launch.rs",
                "use headwater_actors::supervisor;\n",
            ),
        ],
    );
}
