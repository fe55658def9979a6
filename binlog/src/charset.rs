//! Column text to UTF-8.

/// A character set, by what decoding needs; resolved from the collation id of the table map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Charset {
    /// utf8mb3, utf8mb4, ascii: passed on as they are, checked.
    Utf8,
    Binary,
    /// Anything else, by the library's table.
    Other(&'static encoding_rs::Encoding),
}
