//! `position show` and `position clear`: the checkpoint store alone, no source.

use headwater_actors::{
    checkpoint::{Checkpoint, OrderingKey, Parked, RouteOrdering},
    failure::Failure,
    ports::store::{EndedBy, LastEnd, Stored},
    printable::printable_json,
};
use headwater_binlog::time::utc;
use serde_json::{Value, json};

use crate::{
    checkpoint::{self, requests},
    clock::now_us,
    exit::Exit,
    plan::Plan,
    terminal,
};

pub(super) fn show(plan: &Plan) -> anyhow::Result<Exit> {
    let stored = runtime()?.block_on(checkpoint::peek(&plan.checkpoint, &plan.name))?;
    match &stored.checkpoint {
        Some(checkpoint) => {
            for line in lines(&stored, checkpoint, now_us()) {
                terminal::line(&line)?;
            }
        }
        None => terminal::line(&format!(
            "no position is stored in \"{}\" (epoch {}): the next run begins at source.start",
            checkpoint::place(&plan.checkpoint),
            stored.epoch
        ))?,
    }
    if let Some(end) = &stored.last_end {
        let text = ended(end, &stored, now_us());
        terminal::line(&format!("{:<14}{text}", "last end"))?;
    }
    Ok(Exit::Success)
}

pub(super) fn show_json(plan: &Plan) -> anyhow::Result<Exit> {
    let stored = runtime()?.block_on(checkpoint::peek(&plan.checkpoint, &plan.name))?;
    let object = object(&stored, &plan.name, now_us()).to_string();
    terminal::line(&printable_json(object))?;
    Ok(Exit::Success)
}

pub(super) fn clear(plan: &Plan) -> anyhow::Result<Exit> {
    let (epoch, checkpoint) = runtime()?.block_on(async {
        let opened = checkpoint::open_now(&plan.checkpoint, &plan.name).await?;
        let stored = opened.store.load().await?;
        if let Some(checkpoint) = &stored.checkpoint {
            let followed = checkpoint.resume.snapshots.request;
            requests::forget(&plan.checkpoint, &plan.name, followed).await?;
            opened.store.clear().await?;
        }
        opened.give_back().await;
        Ok::<_, Failure>((stored.epoch, stored.checkpoint))
    })?;
    let Some(checkpoint) = checkpoint else {
        terminal::line("no position is stored; nothing to forget")?;
        return Ok(Exit::Success);
    };
    for parked in &*checkpoint.parked {
        terminal::line(&format!(
            "forgot that table \"{}\" was parked at {}",
            parked.table, parked.resume.mark.position
        ))?;
    }
    terminal::line(&format!(
        "forgot {}; epoch {} is kept; the next run begins at source.start",
        checkpoint.resume.mark.position, epoch
    ))?;
    Ok(Exit::Success)
}

pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build()
}

fn lines(stored: &Stored, checkpoint: &Checkpoint, now_us: u64) -> Vec<String> {
    let inside = match checkpoint.resume.mark.rows_done {
        0 => String::new(),
        rows => format!(" and {rows} rows of the transaction that begins there"),
    };
    let gtid_set = checkpoint.resume.gtid_set.to_string().replace('\n', "");
    let fields = [
        ("pipeline", checkpoint.name.clone()),
        (
            "position",
            format!("{}{inside}", checkpoint.resume.mark.position),
        ),
        ("GTID set", or_none(&gtid_set)),
        ("server UUID", checkpoint.home.server_uuid.to_string()),
        ("server id", format!("{} (ours)", checkpoint.server_id)),
        ("epoch", stored.epoch.to_string()),
        ("ordering", checkpoint.ordering.to_string()),
        ("newest commit", moment(checkpoint.resume.commit_us, now_us)),
        ("stored", moment(stored.saved_us, now_us)),
        (
            "drained",
            if checkpoint.drained {
                "yes: the next run repeats nothing".to_owned()
            } else {
                "no: the next run may repeat what was delivered after it".to_owned()
            },
        ),
    ];
    let parked = checkpoint.parked.iter().map(|parked| {
        let text = format!(
            "{} at {} since {}: {}",
            parked.table,
            parked.resume.mark.position,
            moment(parked.since_us, now_us),
            parked.reason
        );
        ("parked table", text)
    });
    fields
        .into_iter()
        .chain(parked)
        .map(|(name, value)| format!("{name:<14}{value}"))
        .collect()
}

fn ended(end: &LastEnd, stored: &Stored, now_us: u64) -> String {
    let (how, _) = end_words(end.how);
    let mut text = format!("{how} {}", moment(end.at_us, now_us));
    for part in [&end.reason, &end.hint].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(part);
    }
    if end.at_us < stored.saved_us {
        text.push_str("; a later run has stored positions and not noted its end");
    }
    text
}

/// For people, for programs.
fn end_words(how: EndedBy) -> (&'static str, &'static str) {
    match how {
        EndedBy::Drain => ("drained", "drained"),
        EndedBy::Halt => ("halted", "halted"),
        EndedBy::Grace => ("the grace time was over", "grace_over"),
    }
}

fn end_object(end: &LastEnd) -> Value {
    json!({
        "how": end_words(end.how).1,
        "reason": end.reason,
        "hint": end.hint,
        "at_us": end.at_us,
    })
}

fn ordering(key: &OrderingKey) -> Value {
    match key {
        OrderingKey::Table => json!({"key": "table"}),
        OrderingKey::PrimaryKey { lanes } => json!({"key": "primary_key", "lanes": lanes}),
        OrderingKey::Routed(routed) => {
            let route = |route: &RouteOrdering| json!({"tables": route.tables.patterns(), "ordering": ordering(&route.key)});
            let routes: Vec<Value> = routed.routes.iter().map(route).collect();
            json!({"key": "routed", "routes": routes, "default": ordering(&routed.default)})
        }
    }
}

fn parked(parked: &Parked) -> Value {
    json!({
        "table": parked.table.to_string(),
        "reason": parked.reason,
        "since_us": parked.since_us,
        "position": parked.resume.mark.position.to_string(),
        "rows_done": parked.resume.mark.rows_done,
        "gtid_set": parked.resume.gtid_set.to_string().replace('\n', ""),
        "server_uuid": parked.home.server_uuid.to_string(),
        "epoch": parked.home.epoch,
    })
}

fn object(stored: &Stored, name: &str, now_us: u64) -> Value {
    let checkpoint = stored.checkpoint.as_ref();
    let ordering = checkpoint.map(|checkpoint| ordering(&checkpoint.ordering));
    json!({
        "name": name,
        "epoch": stored.epoch,
        "position": checkpoint.map(|found| found.resume.mark.position.to_string()),
        "rows_done": checkpoint.map(|found| found.resume.mark.rows_done),
        "gtid_set": checkpoint.map(|found| found.resume.gtid_set.to_string().replace('\n', "")),
        "server_uuid": checkpoint.map(|found| found.home.server_uuid.to_string()),
        "server_id": checkpoint.map(|found| found.server_id),
        "ordering": ordering,
        "commit_us": checkpoint.map(|found| found.resume.commit_us),
        "drained": checkpoint.map(|found| found.drained),
        "parked": checkpoint.map(|found| found.parked.iter().map(parked).collect::<Vec<_>>()),
        "last_end": stored.last_end.as_ref().map(end_object),
        "saved_us": (stored.saved_us > 0).then_some(stored.saved_us),
        "age_secs": (stored.saved_us > 0).then(|| now_us.saturating_sub(stored.saved_us) / 1_000_000),
    })
}

fn or_none(text: &str) -> String {
    if text.is_empty() {
        "(none)".to_owned()
    } else {
        text.to_owned()
    }
}

/// UTC and how long ago.
fn moment(at_us: u64, now_us: u64) -> String {
    if at_us == 0 {
        return "(unknown)".to_owned();
    }
    let ago = now_us.saturating_sub(at_us) / 1_000_000;
    let ago = match ago {
        0..120 => format!("{ago} s"),
        120..7_200 => format!("{} min", ago / 60),
        7_200..172_800 => format!("{} h", ago / 3_600),
        _ => format!("{} days", ago / 86_400),
    };
    format!("{} ({ago} ago)", utc(at_us / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_readable() {
        assert!(moment(1_000_000, 61_000_000).ends_with("(60 s ago)"));
        assert!(moment(1_000_000, 7_200_000_000_000).ends_with("(83 days ago)"));
        assert_eq!(moment(0, 5), "(unknown)");
    }
}
