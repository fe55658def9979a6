//! What the pipeline needs of the world, as small traits with boxed futures.

pub mod dead_letters;
pub mod encoder;
pub mod launcher;
pub mod requests;
pub mod routes;
pub mod sink;
pub mod snapshot;
pub mod source;
pub mod store;

pub use futures_util::future::BoxFuture;
