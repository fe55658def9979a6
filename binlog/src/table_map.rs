//! TABLE_MAP events: column types with every optional metadata field, into a [`crate::schema::Table`].
