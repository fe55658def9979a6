//! What `headwater verify` reads: a stream by the Kinesis API, or files of lines.
//!
//! Both hand over records or lines in the order in which a consumer gets them; what is judged there stands in
//! the crate `headwater-verify`.

pub mod files;
pub mod kinesis;
