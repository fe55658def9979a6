//! Values of some columns as a partition key: the same for every format.

use headwater_actors::ports::encoder::RowEvent;
use headwater_binlog::{
    Error,
    rows::{Cell, Image},
};

use super::native::value;

/// Appends the values after the change, each as the native event has it but without quotes, a comma between
/// two of them. A column that the after image lacks comes from the before image; NULL and what is not there
/// add nothing.
pub(super) fn write(
    event: &RowEvent<'_>,
    columns: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let table = &event.block.table;
    let images = [event.row.after.as_ref(), event.row.before.as_ref()];
    let start = out.len();
    for name in columns {
        let Some(index) = table.columns.iter().position(|column| column.name == *name) else {
            continue;
        };
        let Some(column) = table.columns.get(index) else {
            continue;
        };
        let mut cell = Cell::Absent;
        for image in images.into_iter().flatten() {
            if cell == Cell::Absent {
                cell = cell_at(image, index)?;
            }
        }
        let Cell::Bytes(bytes) = cell else { continue };
        let mut text = Vec::new();
        value::write(&column.kind, bytes, &mut text)?;
        let bare = text
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""));
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(bare.unwrap_or(&text));
    }
    Ok(())
}

fn cell_at<'a>(image: &Image<'a>, column: usize) -> Result<Cell<'a>, Error> {
    image.cells().nth(column).unwrap_or(Ok(Cell::Absent))
}
