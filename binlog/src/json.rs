//! MySQL's binary JSON, walked in place and written as JSON text.
