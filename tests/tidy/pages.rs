//! What people read: links lead somewhere, every option is explained, the image follows the toolchain.

use std::fs;

use crate::{files, root};

/// The relative targets of `[text](target)`, without anchors.
fn links(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let prose = text.lines().filter(move |line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code
    });
    prose
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '`']))
        .filter_map(|target| target.split('#').next())
        .collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    assert_eq!(
        links("[a](b.md#c), [d](https://e), [f](#g)\n```\n[x](y)\n```\n[h](../i)"),
        ["b.md", "../i"]
    );
    let files = files();
    let pages = files.iter().filter(|file| file.path.ends_with(".md"));
    let broken: Vec<_> = pages
        .flat_map(|page| {
            links(&page.text)
                .into_iter()
                .map(move |target| (page, target))
        })
        .filter(|(page, target)| {
            let folder = root().join(&page.path);
            !folder.parent().unwrap().join(target).exists()
        })
        .map(|(page, target)| format!("{}: {target}", page.path))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Keys of a settings file without a comment beside them or right above them.
fn uncommented_keys(text: &str) -> Vec<String> {
    let mut above = "";
    let mut bare = Vec::new();
    for line in text.lines().map(str::trim) {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let is_key = |key: &str| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        };
        if let Some(key) = key.filter(|key| is_key(key)) {
            let has_comment = line.contains(" # ") || above.starts_with('#');
            if !has_comment {
                bare.push(key.to_owned());
            }
        }
        above = line;
    }
    bare
}

#[test]
fn every_option_of_the_reference_is_explained() {
    let good = "# What.\na = 1\nb = 2 # why\n\n[c]\n# Keys\n# of c.\nd = [\n  \"x=y\",\n]\n";
    assert_eq!(uncommented_keys(good), Vec::<String>::new());
    assert_eq!(
        uncommented_keys("# A.\na = 1\nb = 2\n\n[c]\nd = 3\n"),
        ["b", "d"]
    );
    let reference = fs::read_to_string(root().join("config/default.toml"))
        .expect("config/default.toml is the reference of all options");
    let bare = uncommented_keys(&reference);
    assert!(bare.is_empty(), "without a comment: {}", bare.join(", "));
    assert!(
        reference
            .lines()
            .filter(|line| line.contains(" = "))
            .count()
            > 20
    );
}

#[test]
fn the_image_is_built_by_the_pinned_compiler() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \""))
        .map(|rest| rest.trim_end_matches('"'))
        .unwrap();
    let dockerfile = read("Dockerfile");
    let builder = dockerfile
        .lines()
        .find(|line| line.starts_with("ARG RUST_IMAGE=rust:"))
        .unwrap();
    let tag = builder
        .trim_start_matches("ARG RUST_IMAGE=rust:")
        .split('-')
        .next()
        .unwrap();
    assert!(
        channel == tag || channel.starts_with(&format!("{tag}.")),
        "{channel}, {tag}"
    );
}
