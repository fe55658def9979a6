//! The layers inside a crate: in `actors` the ports, the messages and the words they need stand below the
//! actors, so a port can be implemented, and a plan made, without naming one.

use crate::{
    File, holds,
    imports::{modules_used, named_behind},
};

/// The modules that hold an actor each. Of these the Supervisor alone knows others.
const ACTORS: &[&str] = &["checkpointer", "reader", "router", "supervisor", "writer"];

/// The module at the top of its crate that the file is of, or is part of.
fn module_of<'a>(file: &'a File, root: &str) -> Option<&'a str> {
    let inner = file.path.strip_prefix(root)?;
    let is_product = file.is_rust() && !file.is_test();
    let name = inner.split(['/', '.']).next()?;
    (is_product && !matches!(name, "lib" | "main")).then_some(name)
}

#[test]
fn ports_and_messages_name_no_actor() {
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
