//! A connection to the first of the source's hosts that answers.
//!
//! Hosts are tried in order; a definite refusal (wrong password, bad certificate) ends the search, because
//! the next host would only hide it. Not here: reconnecting.

use headwater_actors::failure::Failure;

use super::options::{Host, SourcePlan};
use super::{connection::Connection, failure::joined};

const UNREACHABLE_HINT: &str =
    "check source.url, the network between here and the server, and that the server runs";

/// Connects to the first host that answers.
///
/// # Errors
/// Transient when no host answers; definite when one refuses for good. Names every host that was tried.
pub async fn connect(plan: &SourcePlan) -> Result<Connection, Failure> {
    connect_any(plan).await.map(|(connection, _)| connection)
}

/// The same, with the host that answered.
pub async fn connect_any(plan: &SourcePlan) -> Result<(Connection, Host), Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for host in &plan.hosts {
        match Connection::open(plan, host).await {
            Ok(connection) => return Ok((connection, host.clone())),
            Err(failure) if failure.is_definite() => return Err(failure),
            Err(failure) => failures.push(failure),
        }
    }
    let hint = failures.iter().find_map(|failure| failure.hint.clone());
    let hint = hint.unwrap_or_else(|| UNREACHABLE_HINT.to_owned());
    Err(joined(failures).with_hint(hint))
}
