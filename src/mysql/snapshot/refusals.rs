//! Which tables cannot be copied, for who is about to ask for it.

use headwater_actors::failure::Failure;

use super::{TableToCopy, describe::Seen, session::Session};
use crate::mysql::{checks::Check, options::SourcePlan};

/// The first table that cannot be copied, or not by its condition, as a failure that says why.
///
/// # Errors
/// That failure; or when no server answers.
pub async fn ensure_copyable(plan: &SourcePlan, tables: &[TableToCopy]) -> Result<(), Failure> {
    let mut session = Session::open(plan, None).await?;
    for table in tables {
        session.ensure_copyable(table).await?;
    }
    session.server.leave().await;
    Ok(())
}

impl Session {
    async fn ensure_copyable(&mut self, table: &TableToCopy) -> Result<(), Failure> {
        let TableToCopy { name, condition } = table;
        match Box::pin(self.look_at(name)).await? {
            Seen::Table(_) => (),
            Seen::Gone => return Err(Failure::definite(format!("{name}: there is no such table"))),
            Seen::Refused(reason) => {
                let text = format!("{name} cannot be copied: {reason}");
                return Err(Failure::definite(text)
                    .with_hint("leave it out, or load it by a dump (docs/start.md)"));
            }
        }
        let Some(condition) = condition else {
            return Ok(());
        };
        match self.check_condition(name, condition).await? {
            None => Ok(()),
            Some(Check { found, remedy, .. }) => {
                let failure = Failure::definite(found);
                Err(match remedy {
                    Some(remedy) => failure.with_hint(remedy),
                    None => failure,
                })
            }
        }
    }
}
