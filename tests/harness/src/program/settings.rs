//! The file of settings that programs are started with: always whole, for one that was just started may be about to
//! read it while the next one's are written.

use std::path::Path;

use anyhow::Context;

/// `headwater.toml` in the folder.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, config: &str) -> anyhow::Result<()> {
    let file = folder.join("headwater.toml");
    let partial = folder.join("headwater.toml.partial");
    std::fs::write(&partial, config)
        .and_then(|()| std::fs::rename(&partial, &file))
        .with_context(|| format!("write {}", file.display()))
}
