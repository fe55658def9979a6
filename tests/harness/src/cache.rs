//! Where `scripts/install` has put things: `.cache` of the repository, or `$HEADWATER_CACHE`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The cache folder, whether or not it exists.
pub fn folder() -> PathBuf {
    match std::env::var_os("HEADWATER_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache"),
    }
}

/// The folder of one installed thing, by the name that `scripts/install` knows.
///
/// # Errors
/// When it is not installed; says how to.
pub fn installed(thing: &str) -> anyhow::Result<PathBuf> {
    let folder = folder().join(thing);
    ensure!(
        folder.join(".installed").is_file(),
        "`{thing}` is not installed in {}: run scripts/install {thing}",
        folder.display()
    );
    folder
        .canonicalize()
        .with_context(|| format!("resolve {}", folder.display()))
}

/// What is installed, as `scripts/install` prints it, e.g. `9.7.4-2`.
///
/// # Errors
/// When it is not installed.
pub fn version(thing: &str) -> anyhow::Result<String> {
    let stamp = installed(thing)?.join(".installed");
    let text =
        std::fs::read_to_string(&stamp).with_context(|| format!("read {}", stamp.display()))?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
