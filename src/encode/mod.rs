//! Formats: encoders behind `headwater_actors::ports::encoder`, and what they share: values, text, shape.

mod columns;
pub mod debezium;
#[cfg(test)]
mod fixture;
pub mod maxwell;
pub mod native;
pub mod shape;
mod text;
mod value;
