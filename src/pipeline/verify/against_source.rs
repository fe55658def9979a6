//! The newest line of each row against the source's row.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use headwater_actors::{failure::Failure, snapshot::SETTINGS_RUN};
use headwater_binlog::schema::TableName;
use headwater_verify::{Audit, Image, Live, SourceReport, column_hash, key_hash};

use crate::{
    encode::native::Documents,
    mysql::{self, JsonColumns, TableRead},
    plan::Plan,
};

/// Right only while nothing writes there.
pub async fn compare(plan: &Plan, audit: &mut Audit) -> Result<(), Failure> {
    let mut live = audit.live();
    let copied: HashSet<String> = audit.copied(SETTINGS_RUN).into_iter().collect();
    let names: BTreeSet<&String> = live.keys().chain(&copied).collect();
    let tables: Vec<TableName> = names
        .into_iter()
        .filter_map(|name| {
            let (database, table) = name.split_once('.')?;
            Some(TableName {
                database: database.to_owned(),
                table: table.to_owned(),
            })
        })
        .collect();
    let mut source = SourceReport::default();
    let (mut wrong, mut lost) = (BTreeMap::new(), BTreeMap::new());
    let json = match plan.native.documents {
        Documents::Inline => JsonColumns::Compared,
        Documents::String => JsonColumns::PassedOver,
    };
    mysql::read_tables(&plan.source, json, &tables, &mut |read| {
        match read {
            TableRead::Row(name, columns) => {
                let name = name.to_string();
                let rows = live.entry(name.clone()).or_default();
                match is_same(&name, &columns, rows) {
                    Same::Yes => source.rows_compared += 1,
                    Same::No => {
                        source.rows_compared += 1;
                        *wrong.entry(name).or_default() += 1;
                    }
                    Same::NotCompared => source.rows_not_compared += 1,
                    Same::Unknown => {
                        source.rows_unknown += 1;
                        *lost.entry(name).or_default() += 1;
                    }
                }
            }
            TableRead::NotCompared(name) => {
                live.remove(&name.to_string());
                source.tables_not_compared.push(name.to_string());
            }
            TableRead::Absent(_) => {}
        }
        Ok(())
    })
    .await?;
    audit.compared(source);
    for (table, amount) in wrong {
        audit.contradict(
            &table,
            amount,
            "rows whose newest line has other values than the source",
        );
    }
    for (table, amount) in lost.into_iter().filter(|(table, _)| copied.contains(table)) {
        audit.miss(
            &table,
            amount,
            "rows of the source that neither its snapshot nor a change has brought",
        );
    }
    for (table, rows) in live {
        let amount = rows.len() as u64;
        audit.contradict(
            &table,
            amount,
            "rows that the source no longer has, by their newest line",
        );
    }
    Ok(())
}

enum Same {
    Yes,
    No,
    NotCompared,
    Unknown,
}

fn is_same(
    table: &str,
    columns: &[(&str, serde_json::Value, bool)],
    rows: &mut HashMap<u64, Live>,
) -> Same {
    let (mut key, mut image) = (Image::default(), Image::default());
    for (name, value, is_key) in columns {
        let column = column_hash(name, value);
        image.add(name, column);
        if *is_key {
            key.add(name, column);
        }
    }
    match rows.remove(&key_hash(table, key)) {
        None => Same::Unknown,
        Some(live) if live.image == image => Same::Yes,
        Some(live) if live.is_altered || live.image.columns != image.columns => Same::NotCompared,
        Some(_) => Same::No,
    }
}
