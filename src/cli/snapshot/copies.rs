//! Copies as a table for people and as JSON for programs. Pure. What is an estimate is marked so.

use headwater_actors::{
    ports::requests::{Request, Wish},
    snapshot::{CopyId, Snapshots, TableCopy},
    status::CopyStatus,
};
use serde_json::{Value, json};

const HEAD: [&str; 7] = ["RUN", "TABLE", "STATE", "ROWS", "SHARE", "ROWS/S", "LEFT"];
/// Columns of numbers.
const RIGHT: [usize; 2] = [3, 5];
const BAR_CELLS: usize = 10;

/// One line a copy below a head; what waits stands behind them.
pub(super) fn lines(snapshots: &Snapshots, waiting: &[Request], at_us: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if !snapshots.copies.is_empty() {
        lines.extend(table(snapshots, at_us));
    }
    lines.extend(waiting.iter().map(|request| {
        format!(
            "request {} waits for the running process: {}",
            request.number,
            request_words(request)
        )
    }));
    lines
}

fn table(snapshots: &Snapshots, at_us: u64) -> Vec<String> {
    let head = (HEAD.map(str::to_owned), None);
    let copies = snapshots.copies.iter().map(|(id, copy)| {
        let status = CopyStatus::of(id, copy, at_us);
        (cells(&status), status.note)
    });
    let rows: Vec<_> = std::iter::once(head).chain(copies).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |(cells, note): &([String; HEAD.len()], Option<String>)| {
        let padded = cells.iter().zip(&widths).enumerate();
        let padded = padded.map(|(column, (cell, width))| match RIGHT.contains(&column) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        match note {
            Some(note) => format!("{}  {note}", line.trim_end()),
            None => line.trim_end().to_owned(),
        }
    };
    rows.iter().map(line).collect()
}

fn cells(status: &CopyStatus) -> [String; HEAD.len()] {
    let or_none = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let state = match (status.state, status.begun_unix_secs) {
        ("active", None) => "to come",
        (state, _) => state,
    };
    [
        status.run.clone(),
        status.table.clone(),
        state.to_owned(),
        thousands(status.rows),
        or_none(status.share_estimate.map(bar)),
        or_none(status.rows_per_sec.map(|speed| thousands(speed as u64))),
        or_none(status.left_secs_estimate.map(about)),
    ]
}

fn bar(share: f64) -> String {
    let full = (share * BAR_CELLS as f64).floor() as usize;
    let empty = BAR_CELLS.saturating_sub(full);
    let cells = format!("{}{}", "█".repeat(full), "░".repeat(empty));
    match share < 1.0 {
        true => format!("{cells} ~{:.0}%", share * 100.0),
        false => format!("{cells} 100%"),
    }
}

fn about(secs: u64) -> String {
    match secs {
        0..120 => format!("~{secs} s"),
        120..7_200 => format!("~{} min", secs / 60),
        _ => format!("~{} h", secs / 3_600),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn wish_word(wish: &Wish) -> &'static str {
    match wish {
        Wish::Start { .. } => "start",
        Wish::Pause => "pause",
        Wish::Resume => "resume",
        Wish::Cancel => "cancel",
    }
}

fn request_words(request: &Request) -> String {
    const SHOWN: usize = 5;
    let names = request.tables.iter().take(SHOWN).map(ToString::to_string);
    let mut names = names.collect::<Vec<_>>().join(", ");
    if request.tables.len() > SHOWN {
        names.push_str(", …");
    }
    if names.is_empty() {
        names.push_str("all copies");
    }
    match &request.wish {
        Wish::Start { run, .. } => format!("start run \"{run}\" of {names}"),
        wish => format!("{} {names}", wish_word(wish)),
    }
}

pub(super) fn object(
    pipeline: &str,
    snapshots: &Snapshots,
    waiting: &[Request],
    at_us: u64,
) -> Value {
    let copy = |(id, copy): (&CopyId, &TableCopy)| {
        let mut object = json!(CopyStatus::of(id, copy, at_us));
        if let Some(object) = object.as_object_mut() {
            object.insert("where".to_owned(), json!(copy.condition.as_deref()));
        }
        object
    };
    let request = |request: &Request| {
        let (run, condition) = match &request.wish {
            Wish::Start { run, condition } => (Some(&**run), condition.as_deref()),
            Wish::Pause | Wish::Resume | Wish::Cancel => (None, None),
        };
        let tables: Vec<String> = request.tables.iter().map(ToString::to_string).collect();
        json!({
            "number": request.number,
            "wish": wish_word(&request.wish),
            "run": run,
            "where": condition,
            "tables": tables,
        })
    };
    json!({
        "name": pipeline,
        "at_us": at_us,
        "copies": snapshots.copies.iter().map(copy).collect::<Vec<_>>(),
        "requests": waiting.iter().map(request).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use headwater_actors::snapshot::CopyState;
    use headwater_binlog::schema::TableName;

    use super::*;

    fn id(run: &str, name: &str) -> CopyId {
        CopyId {
            run: run.into(),
            table: TableName {
                database: "shop".to_owned(),
                table: name.to_owned(),
            },
        }
    }

    #[test]
    fn a_copy_on_its_way_shows_a_bar_and_what_is_estimated() {
        let mut snapshots = Snapshots::default();
        let going = TableCopy {
            rows: 600_000,
            rows_estimate: 1_000_000,
            begun_us: 1_000_000,
            ..TableCopy::new(None)
        };
        snapshots.add(id("tables", "orders"), going);
        snapshots.add(id("tables", "parts"), TableCopy::new(None));
        assert_eq!(
            lines(&snapshots, &[], 11_000_000),
            [
                "RUN     TABLE        STATE       ROWS  SHARE            ROWS/S  LEFT",
                "tables  shop.orders  active   600,000  ██████░░░░ ~60%  60,000  ~7 s",
                "tables  shop.parts   to come        0  -                     -  -",
            ]
        );
    }

    #[test]
    fn what_waits_is_told_behind_the_copies_and_why_one_is_refused_beside_it() {
        let mut snapshots = Snapshots::default();
        let copy = TableCopy {
            state: CopyState::Refused,
            note: Some("its engine is MyISAM".into()),
            ..TableCopy::new(Some("id > 7".into()))
        };
        snapshots.add(id("fix", "log"), copy);
        let request = Request {
            number: 3,
            wish: Wish::Cancel,
            tables: Vec::new(),
        };
        let lines = lines(&snapshots, std::slice::from_ref(&request), 0);
        assert!(lines[1].ends_with("its engine is MyISAM"), "{lines:?}");
        assert_eq!(
            lines[2],
            "request 3 waits for the running process: cancel all copies"
        );
        let object = object("shop", &snapshots, &[request], 5);
        assert_eq!(object["copies"][0]["state"], "refused");
        assert_eq!(object["copies"][0]["where"], "id > 7");
        assert_eq!(object["requests"][0]["wish"], "cancel");
    }
}
