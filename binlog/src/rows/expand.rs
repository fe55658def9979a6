//! Columns that MariaDB keeps compressed, put into the images as if they were not: nothing behind this
//! knows of them, and what does not use them pays nothing.

use crate::{
    Error, compressed,
    rows::{Image, RowsBlock},
    value,
};

impl RowsBlock {
    /// Writes the images anew with the values of `columns` (by index) unpacked; together `bytes_max` at most.
    pub(crate) fn expand_columns(
        &mut self,
        columns: &[usize],
        bytes_max: usize,
    ) -> Result<(), Error> {
        let mut images = Vec::with_capacity(self.images.len().saturating_mul(2));
        for row in self.rows() {
            let (_, row) = row?;
            for image in [row.before, row.after].into_iter().flatten() {
                image.expand_into(columns, bytes_max, &mut images)?;
            }
        }
        self.images = images.into();
        Ok(())
    }
}

impl Image<'_> {
    fn expand_into(
        &self,
        columns: &[usize],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.extend_from_slice(self.nulls);
        let mut rest = self.values;
        let mut seen = 0;
        for (index, column) in self.table.columns.iter().enumerate() {
            if !self.present.contains(index) {
                continue;
            }
            let is_null = super::bit(self.nulls, seen);
            seen += 1;
            if is_null {
                continue;
            }
            let whole = rest;
            let bytes = value::cut(&column.kind, &mut rest)?;
            let wire = whole.len() - rest.len();
            if !columns.contains(&index) {
                out.extend_from_slice(whole.get(..wire).unwrap_or_default());
                continue;
            }
            let prefix = wire - bytes.len();
            let at = out.len();
            out.resize(at + prefix, 0);
            let left = bytes_max.saturating_sub(out.len());
            compressed::column(bytes, left, out).map_err(|error| {
                error.at(format_args!(
                    "column `{}` of table `{}`",
                    column.name, self.table.name
                ))
            })?;
            let length = (out.len() - at - prefix) as u64;
            if length >> (8 * prefix.min(7)) != 0 {
                return Err(Error::malformed(
                    "compressed column",
                    format_args!("{length} bytes in column `{}`", column.name),
                ));
            }
            for (byte, value) in out
                .iter_mut()
                .skip(at)
                .take(prefix)
                .zip(length.to_le_bytes())
            {
                *byte = value;
            }
        }
        Ok(())
    }
}
