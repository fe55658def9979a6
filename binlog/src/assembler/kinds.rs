//! What the kinds of event mean for a reader of rows: passed over, or the reason to halt.

use crate::{Error, cursor::Cursor, event::EventKind};

/// Known, and without meaning for rows.
pub(super) fn is_passed_over(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::RowsQuery
            | EventKind::Ignorable
            | EventKind::ViewChange
            | EventKind::TransactionContext
            | EventKind::LargeTransactionHeader
            | EventKind::MariaAnnotateRows
            // In front of the statement by which rows were changed, which decides.
            | EventKind::Intvar
            | EventKind::Rand
            | EventKind::UserVar
            | EventKind::BeginLoadQuery
            | EventKind::AppendBlock
            | EventKind::DeleteFile
    )
}

pub(super) fn halt_reason(kind: EventKind) -> Option<Error> {
    Some(match kind {
        EventKind::Load | EventKind::NewLoad | EventKind::CreateFile | EventKind::ExecLoad => {
            Error::Unsupported(format!("{kind} of a server before 5.0.3"))
        }
        EventKind::StartV3
        | EventKind::Slave
        | EventKind::PreGaWriteRows
        | EventKind::PreGaUpdateRows
        | EventKind::PreGaDeleteRows => {
            Error::Unsupported(format!("{kind} of a server before 5.1"))
        }
        EventKind::MariaPartialRowData => {
            Error::Unsupported("PARTIAL_ROW_DATA: a row in pieces".into())
        }
        _ => return None,
    })
}

pub(super) fn incident(body: &[u8]) -> Result<String, Error> {
    let mut cursor = Cursor::new("INCIDENT event", body);
    let number = cursor.u16()?;
    let length = usize::from(cursor.u8()?);
    let message = String::from_utf8_lossy(cursor.take(length)?).into_owned();
    Ok(format!("incident {number}, \"{message}\""))
}
