//! The requests of an operator to a running pipeline. Their numbers rise. The checkpoint holds the number of the last
//! request that was followed, so each is followed once, also across crashes.

use std::sync::Arc;

use headwater_binlog::schema::TableName;

use super::BoxFuture;
use crate::failure::Failure;

pub trait Requests: Send + Sync {
    /// Those behind number `followed`, in the order of their numbers.
    fn behind(&self, followed: u64) -> BoxFuture<'static, Result<Vec<Request>, Failure>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// From 1 on.
    pub number: u64,
    pub wish: Wish,
    /// Each by its name; for all but [`Wish::Start`] none means every copy.
    pub tables: Vec<TableName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Copy the tables, in a run of this name.
    Start {
        run: Arc<str>,
        /// Which rows, as the text of a WHERE clause.
        condition: Option<Arc<str>>,
    },
    Pause,
    Resume,
    Cancel,
}
