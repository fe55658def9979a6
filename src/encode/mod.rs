//! Formats: encoders behind `headwater_actors::ports::encoder`.

mod columns;
pub mod native;
