//! A row of a table, asked of its server, as the log would have it.
//!
//! [`table_map`] makes of what information_schema lists the event that describes the table, [`RowWriter`] of a row
//! of the binary protocol the row image of an INSERT, [`KeyReader`] takes the bytes of some columns out of any
//! image. So whatever reads the log's rows reads these, and by the same bytes a key is the same key in both.
//! Not here: the SELECT, and when a row may enter the stream.

mod key;
mod row;
mod selected;

pub use key::{KeyReader, join, split};
pub use row::RowWriter;
pub use selected::selected;

pub use crate::table_map::from_list as table_map;
