//! What tests of values share: the catalogue of column types with their edge values, how each type's JSON
//! compares with what `SELECT` prints (`docs/event-format.md`, by program), and lines taken apart as text.

pub mod columns;
pub mod compare;
pub mod documents;
pub mod line;
pub mod texts;
