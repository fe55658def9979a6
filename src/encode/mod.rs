//! Formats: encoders behind `headwater_actors::ports::encoder`, and what they share: values, text, shape.
//!
//! Which formats there are stands in `formats`, and what each can do: outside this folder nobody asks for one.

mod columns;
pub mod debezium;
#[cfg(test)]
mod fixture;
mod formats;
pub mod maxwell;
pub mod native;
pub mod shape;
mod text;
mod value;

pub use formats::{Format, FormatOptions, Grain};
