//! DECIMAL: MySQL's packed digits, printed with the column's scale.

/// Packed digits with their shape; prints as `SELECT` does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal<'a> {
    pub bytes: &'a [u8],
    pub precision: u8,
    pub scale: u8,
}
