//! A connection for questions, to the first host that answers.

use headwater_actors::failure::Failure;

use super::options::{Host, SourcePlan};
use super::{
    connect::connect_any,
    facts::{SLOW_ANSWER, Server, text},
};

/// A connection to the first host that answers, and the account's name.
pub(super) async fn server(plan: &SourcePlan) -> Result<Server, Failure> {
    let (mut conn, host) = connect_any(plan).await?;
    // Each question has its own limit.
    conn.set_wait_max(SLOW_ANSWER);
    let mut server = Server {
        conn,
        host,
        user: plan.user.clone(),
        version_text: String::new(),
        wait_max: plan.read_timeout.max(plan.connect_timeout),
    };
    let rows = server
        .rows("ask the server what it is", "SELECT VERSION()")
        .await
        .map_err(|failure| {
            let Host { name, port } = server.host();
            failure.within(format!("{name}:{port}"))
        })?;
    server.version_text = rows
        .first()
        .and_then(|row| text(row, 0))
        .unwrap_or_default();
    Ok(server)
}
