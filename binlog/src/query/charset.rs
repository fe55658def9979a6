//! A statement's text as UTF-8, or an error that names its character set.

use std::borrow::Cow;

use crate::{Error, charset::Charset};

/// `charset` is the name of the set that `collation` belongs to.
pub(super) fn decode<'a>(
    charset: &'static str,
    collation: u16,
    bytes: &'a [u8],
) -> Result<Cow<'a, str>, Error> {
    let unsupported = || Error::Unsupported(format!("statement that is not readable as {charset}"));
    // No client speaks UTF-16, UTF-32 or UCS-2, and ASCII is the same in all others but swe7.
    let is_ascii_based = !matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7");
    let is_utf8 = matches!(charset, "utf8mb4" | "utf8mb3" | "ascii" | "binary");
    if is_utf8 || is_ascii_based && bytes.is_ascii() {
        return std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| unsupported());
    }
    Charset::of_collation(collation.into())
        .decode(bytes)
        .map_err(|_| unsupported())
}
