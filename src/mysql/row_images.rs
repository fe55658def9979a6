//! Whether lines have whole rows, for who builds tables of them.

use headwater_actors::failure::Failure;

use super::{
    checks::{Variables, Verdict, ensure_row_image},
    facts::text,
    options::SourcePlan,
    session::server,
};

const DOING: &str = "ask which columns of a row are logged";

/// # Errors
/// Definite where the server logs parts of rows; or when no server answers.
pub async fn ensure_whole_rows(plan: &SourcePlan) -> Result<(), Failure> {
    let mut server = server(plan).await?;
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_row_image', 'version')";
    let rows = server.rows(DOING, sql).await;
    server.leave().await;
    let pairs = rows?
        .iter()
        .filter_map(|row| Some((text(row, 0)?, text(row, 1)?)))
        .collect();
    let check = ensure_row_image(&Variables(pairs));
    if check.verdict == Verdict::Ok {
        return Ok(());
    }
    let failure = Failure::definite(format!(
        "{}: {}; a table cannot be built from parts of rows",
        check.name, check.found
    ));
    Err(match check.remedy {
        Some(remedy) => failure.with_hint(remedy),
        None => failure,
    })
}
