//! How the server that is read compares the names of databases and tables.

use headwater_actors::failure::Failure;
use headwater_binlog::schema::NameCase;

use super::{facts::number, options::SourcePlan, session::server};

/// As the settings say, else as the first host that answers does.
///
/// # Errors
/// When no server answers.
pub async fn name_case(plan: &SourcePlan) -> Result<NameCase, Failure> {
    if let Some(case) = plan.name_case {
        return Ok(case);
    }
    let mut server = server(plan).await?;
    let doing = "ask how the server compares names";
    let rows = server
        .rows(doing, "SELECT @@GLOBAL.lower_case_table_names")
        .await;
    server.leave().await;
    match rows?.first().and_then(|row| number(row, 0)) {
        Some(0) => Ok(NameCase::Sensitive),
        Some(_) => Ok(NameCase::Folded),
        None => Err(Failure::transient(format!("{doing}: no value"))),
    }
}
