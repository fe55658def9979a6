//! How far a copy of a table is, for people and programs.
//!
//! The share is that of the server's own estimate of rows, which may be half or double; what follows from it is an
//! estimate too. Nothing is said of it where a condition chooses rows. Pure.

use crate::snapshot::{CopyId, CopyState, TableCopy};

/// What is not complete is never shown as if it were.
const SHARE_MAX: f64 = 0.99;

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CopyStatus {
    pub run: String,
    pub table: String,
    pub state: &'static str,
    /// Why it is refused, or what it waits for.
    pub note: Option<String>,
    /// Rows sent, also those that were sent again.
    pub rows: u64,
    pub rows_estimate: u64,
    /// From 0 to 1.
    pub share_estimate: Option<f64>,
    /// Since it began, or all in all.
    pub rows_per_sec: Option<f64>,
    pub left_secs_estimate: Option<u64>,
    pub begun_unix_secs: Option<u64>,
    pub ended_unix_secs: Option<u64>,
}

impl CopyStatus {
    pub fn of(id: &CopyId, copy: &TableCopy, now_us: u64) -> Self {
        let secs = |at_us: u64| (at_us > 0).then_some(at_us / 1_000_000);
        let (share, speed) = (share(copy), rows_per_sec(copy, now_us));
        Self {
            run: id.run.to_string(),
            table: id.table.to_string(),
            state: state_word(copy.state),
            note: copy.note.as_deref().map(str::to_owned),
            rows: copy.rows,
            rows_estimate: copy.rows_estimate,
            share_estimate: share,
            rows_per_sec: speed,
            left_secs_estimate: left_secs(copy, share, speed),
            begun_unix_secs: secs(copy.begun_us),
            ended_unix_secs: secs(copy.ended_us),
        }
    }
}

/// As metrics, pages and commands write it.
pub fn state_word(state: CopyState) -> &'static str {
    match state {
        CopyState::Active => "active",
        CopyState::Paused => "paused",
        CopyState::Complete => "complete",
        CopyState::Cancelled => "cancelled",
        CopyState::Gone => "gone",
        CopyState::Refused => "refused",
    }
}

fn share(copy: &TableCopy) -> Option<f64> {
    match copy.state {
        CopyState::Complete => return Some(1.0),
        CopyState::Gone | CopyState::Refused => return None,
        CopyState::Active | CopyState::Paused | CopyState::Cancelled => (),
    }
    if copy.condition.is_some() || copy.rows_estimate == 0 {
        return None;
    }
    Some((copy.rows as f64 / copy.rows_estimate as f64).min(SHARE_MAX))
}

fn rows_per_sec(copy: &TableCopy, now_us: u64) -> Option<f64> {
    let end_us = match (copy.ended_us, copy.state) {
        (0, CopyState::Active) => now_us,
        (0, _) => return None,
        (ended_us, _) => ended_us,
    };
    let took_us = end_us.checked_sub(copy.begun_us)?;
    if copy.begun_us == 0 || took_us == 0 || copy.rows == 0 {
        return None;
    }
    Some(copy.rows as f64 * 1e6 / took_us as f64)
}

fn left_secs(copy: &TableCopy, share: Option<f64>, speed: Option<f64>) -> Option<u64> {
    let (share, speed) = (share?, speed?);
    if copy.state != CopyState::Active {
        return None;
    }
    let rows = copy.rows as f64 / share - copy.rows as f64;
    Some((rows / speed).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use headwater_binlog::schema::TableName;

    use super::*;

    fn status(copy: &TableCopy) -> CopyStatus {
        let id = CopyId {
            run: "tables".into(),
            table: TableName {
                database: "shop".to_owned(),
                table: "orders".to_owned(),
            },
        };
        CopyStatus::of(&id, copy, 11_000_000)
    }

    fn going() -> TableCopy {
        TableCopy {
            rows: 600_000,
            rows_estimate: 1_000_000,
            begun_us: 1_000_000,
            ..TableCopy::new(None)
        }
    }

    #[test]
    fn a_copy_on_its_way_tells_share_speed_and_time_left() {
        let status = status(&going());
        assert_eq!(status.share_estimate, Some(0.6));
        assert_eq!(status.rows_per_sec, Some(60_000.0));
        assert_eq!(status.left_secs_estimate, Some(7));
    }

    #[test]
    fn nothing_is_said_of_the_share_of_chosen_rows() {
        let mut copy = going();
        copy.condition = Some("id > 7".into());
        let found = status(&copy);
        assert_eq!(
            (found.share_estimate, found.left_secs_estimate),
            (None, None)
        );
        copy.state = CopyState::Complete;
        assert_eq!(status(&copy).share_estimate, Some(1.0));
    }

    #[test]
    fn nothing_that_is_not_complete_looks_so_and_what_waits_has_no_speed() {
        let mut copy = going();
        copy.rows = 2_000_000;
        assert_eq!(status(&copy).share_estimate, Some(SHARE_MAX));
        copy.state = CopyState::Paused;
        let found = status(&copy);
        assert_eq!((found.rows_per_sec, found.left_secs_estimate), (None, None));
    }
}
