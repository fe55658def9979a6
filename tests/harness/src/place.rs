//! Places in the log of one server, as the program tells them, to be compared.

use anyhow::Context;
use serde_json::Value;

use crate::mysql::MySql;

/// File number and offset, which rise with the log of one server.
pub type Place = (u64, u64);

/// `file:offset`
///
/// # Errors
/// When it is none.
pub fn place(text: &str) -> anyhow::Result<Place> {
    let split = || {
        let (file, offset) = text.rsplit_once(':')?;
        let number = file.rsplit('.').next()?.parse().ok()?;
        Some((number, offset.parse().ok()?))
    };
    split().with_context(|| format!("\"{text}\" is no position"))
}

/// The end of the server's log.
///
/// # Errors
/// As [`MySql::position`].
pub async fn head(mysql: &MySql) -> anyhow::Result<Place> {
    let (file, offset) = mysql.position().await?;
    place(&format!("{file}:{offset}"))
}

/// Whether all before `goal` is durable in the sink, by the status page; it may be further on.
pub fn is_durable(status: &Value, goal: Place) -> bool {
    let told = status["position_durable"].as_str();
    told.is_some_and(|told| place(told).is_ok_and(|told| goal <= told))
}
