//! TABLE_MAP events: column types with every optional metadata field, into a [`crate::schema::Table`].

use crate::{Error, schema::{Column, ColumnKind, Table, TableName}};

/// Stand-in: INT columns.
pub fn parse(body: &[u8], table_id_bytes: usize) -> Result<(u64, Table), Error> {
    let mut cursor = crate::cursor::Cursor::new("table map", body);
    let id = cursor.uint(table_id_bytes)?;
    cursor.u16()?;
    let mut name = || -> Result<String, Error> {
        let length = cursor.u8()?;
        let name = cursor.take(usize::from(length))?;
        cursor.u8()?;
        Ok(String::from_utf8_lossy(name).into_owned())
    };
    let name = TableName { database: name()?, table: name()? };
    let count = cursor.u8()?;
    let mut columns = Vec::new();
    for kind in cursor.take(usize::from(count))? {
        if *kind != 3 {
            return Err(Error::Unsupported(format!("column type {kind}")));
        }
        columns.push(Column { name: "id".into(), kind: ColumnKind::Int { unsigned: false }, nullable: false, visible: true });
    }
    Ok((id, Table { name, columns, primary_key: Vec::new() }))
}
