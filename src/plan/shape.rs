//! The shape's part of the plan: which columns are written, which are masked and how.

use std::sync::Arc;

use headwater_actors::filter::ColumnFilter;

use crate::secret::Secret;

/// What becomes of columns; where several masks fit, null, fixed, hash, truncate, in this order.
#[derive(Debug, Clone)]
pub struct ShapePlan {
    /// The columns that are written at all.
    pub include: ColumnFilter,
    pub null: ColumnFilter,
    pub fixed: ColumnFilter,
    pub fixed_text: Arc<str>,
    pub hash: ColumnFilter,
    /// Set whenever `hash` matches anything.
    pub hash_salt: Secret,
    pub truncate: ColumnFilter,
    pub truncate_chars: usize,
}

/// What becomes of bytes that are not text of their column's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidText {
    /// The row cannot be decoded.
    #[default]
    Halt,
    /// U+FFFD stands for them.
    Replace,
    /// `{"base64":"..."}` with all bytes stands for the text.
    Base64Object,
}

impl ShapePlan {
    pub fn keeps_everything(&self) -> bool {
        self.include.is_everything()
            && [&self.null, &self.fixed, &self.hash, &self.truncate]
                .iter()
                .all(|filter| filter.is_nothing())
    }
}

impl Default for ShapePlan {
    fn default() -> Self {
        Self {
            include: ColumnFilter::everything(),
            null: ColumnFilter::default(),
            fixed: ColumnFilter::default(),
            fixed_text: "***".into(),
            hash: ColumnFilter::default(),
            hash_salt: Secret::default(),
            truncate: ColumnFilter::default(),
            truncate_chars: 8,
        }
    }
}
