//! Formats: encoders behind `headwater_actors::ports::encoder`.

pub mod native;
