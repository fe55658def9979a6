//! The rows of a prepared XA transaction, read again: a dump of its own beside the one that is open.
//!
//! On the server that wrote them by file and offset; on another one by the GTID of their PREPARE, the only
//! transaction that is said to be missing. It presents itself as another replica, or the server would end
//! the dump that is open.

use headwater_actors::failure::Failure;
use headwater_binlog::{
    gtid::GtidSet,
    xa::{Prepared, XaPolicy, XaTable, Xid},
};

use super::options::SourcePlan;
use super::{checks::Check, facts::ServerFacts, resume::Route, session::server};

const COPY_AGAIN: &str = "copy the tables that it changed again and `headwater position set` behind its commit; keep the log longer than XA transactions stay prepared (binlog_expire_logs_seconds)";

/// How to ask for it.
///
/// # Errors
/// Definite when the server no longer has it.
pub(super) fn route(prepared: &Prepared, facts: &ServerFacts) -> Result<Route, Failure> {
    let gone = |found: String| {
        Err(Failure::definite(format!(
            "XA transaction {} is committed, and the server's log no longer has its rows: {found}",
            prepared.xid
        ))
        .with_hint(COPY_AGAIN))
    };
    if let Some(position) = &prepared.position {
        if facts.files.iter().any(|file| file.name == position.file) {
            return Ok(Route::ByPosition(position.clone()));
        }
        return gone(format!("it was prepared at {position}, which is purged"));
    }
    let Some(gtid) = prepared.gtid.as_ref().filter(|_| facts.has_gtids) else {
        return gone("it was prepared on another server, without a GTID".into());
    };
    if facts.gtid_purged.contains(gtid) || !facts.gtid_executed.contains(gtid) {
        return gone("the GTID of its PREPARE is purged".into());
    }
    let mut only = GtidSet::default();
    only.add(gtid);
    let mut others = facts.gtid_executed.clone();
    others.subtract(&only);
    Ok(Route::ByGtid(others))
}

/// XA transactions that are prepared now; none that the account may not ask for.
///
/// # Errors
/// When no server answers.
pub async fn recoverable(plan: &SourcePlan) -> Result<Vec<Xid>, Failure> {
    let mut server = server(plan).await?;
    // Needs XA_RECOVER_ADMIN since 8.0; servers before 5.7 do not know CONVERT.
    let (doing, sql) = ("ask for prepared XA transactions", "XA RECOVER CONVERT XID");
    let found = server.rows_if_told(doing, sql).await?.unwrap_or_default();
    server.leave().await;
    Ok(found.iter().filter_map(xid).collect())
}

/// Format, lengths of both parts, both parts in hexadecimal behind `0x`.
fn xid(row: &super::query::Row) -> Option<Xid> {
    use super::facts::{number, text};
    let gtrid = usize::try_from(number(row, 1)?).ok()? * 2;
    let data = text(row, 3)?;
    let (gtrid, bqual) = data.strip_prefix("0x")?.split_at_checked(gtrid)?;
    let format = text(row, 0)?;
    format!("X'{gtrid}',X'{bqual}',{format}").parse().ok()
}

/// Whether those that are prepared now can be sent at their commit; `known` are those of the checkpoint.
pub fn ensure_xa(recoverable: &[Xid], policy: XaPolicy, known: Option<&XaTable>) -> Check {
    const SHOWN: usize = 10;
    let name = "XA transactions";
    let Some(_) = recoverable.first() else {
        return Check::ok(name, "none prepared that the account can see");
    };
    let count = recoverable.len();
    let shown: Vec<_> = recoverable.iter().take(SHOWN).map(Xid::to_string).collect();
    let shown = shown.join("; ");
    match (policy, known) {
        (XaPolicy::Halt, _) => Check::warn(
            name,
            format!("{count} prepared: {shown}; with source.xa = \"halt\" it stops at them"),
            "source.xa = \"at_commit\"",
        ),
        (XaPolicy::AtCommit, None) => Check::warn(
            name,
            format!(
                "{count} prepared: {shown}; one that was prepared before source.start stops it at its commit"
            ),
            "XA COMMIT or XA ROLLBACK them first, or set source.start before the PREPARE of the oldest",
        ),
        // What the checkpoint lacks was prepared behind it.
        (XaPolicy::AtCommit, Some(known)) => Check::ok(
            name,
            format!(
                "{count} prepared, {} of them before the stored position",
                known.open().len()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use headwater_actors::ports::source::LogFile;
    use headwater_binlog::{gtid::Uuid, position::Position};

    use super::*;
    use crate::mysql::checks::Verdict;

    const UUID: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";

    fn facts() -> ServerFacts {
        let head: Position = "binlog.000003:1000".parse().expect("a position");
        ServerFacts {
            server_uuid: Uuid([7; 16]),
            version: "9.7.0".into(),
            has_gtids: true,
            gtid_executed: format!("{UUID}:1-9").parse().expect("a set"),
            gtid_purged: format!("{UUID}:1-3").parse().expect("a set"),
            files: vec![LogFile {
                name: head.file.clone(),
                bytes: 1000,
            }],
            head,
            head_gtid_set: GtidSet::default(),
        }
    }

    fn prepared(position: Option<&str>, number: u64) -> Prepared {
        let set: GtidSet = format!("{UUID}:{number}").parse().expect("a set");
        let source = set.intervals().next().expect("one").0.clone();
        Prepared {
            xid: "X'31',X'',1".parse().expect("an XID"),
            position: position.map(|text| text.parse().expect("a position")),
            gtid: Some(headwater_binlog::gtid::Gtid::new(source, number)),
        }
    }

    #[test]
    fn at_home_the_place_is_asked_for_and_elsewhere_the_one_gtid() {
        let home = prepared(Some("binlog.000003:400"), 5);
        let expected = "binlog.000003:400".parse().expect("a position");
        assert_eq!(route(&home, &facts()), Ok(Route::ByPosition(expected)));
        let others = format!("{UUID}:1-4:6-9").parse().expect("a set");
        assert_eq!(
            route(&prepared(None, 5), &facts()),
            Ok(Route::ByGtid(others))
        );
    }

    #[test]
    fn what_is_purged_halts_with_the_remedy() {
        for gone in [
            prepared(Some("binlog.000002:400"), 5),
            prepared(None, 2),
            prepared(None, 12),
        ] {
            let failure = route(&gone, &facts()).expect_err("purged");
            assert!(failure.is_definite());
            assert!(failure.to_string().contains("X'31',X'',1"), "{failure}");
            assert!(
                failure
                    .hint
                    .is_some_and(|hint| hint.contains("copy the tables"))
            );
        }
    }

    #[test]
    fn what_is_prepared_before_the_start_is_warned_of() {
        let open = [prepared(None, 5).xid];
        let verdict = |open: &[Xid], policy, known| ensure_xa(open, policy, known).verdict;
        let known = XaTable::default();
        assert_eq!(verdict(&open, XaPolicy::AtCommit, None), Verdict::Warn);
        assert_eq!(verdict(&open, XaPolicy::Halt, Some(&known)), Verdict::Warn);
        assert_eq!(
            verdict(&open, XaPolicy::AtCommit, Some(&known)),
            Verdict::Ok
        );
        assert_eq!(verdict(&[], XaPolicy::Halt, None), Verdict::Ok);
    }
}
