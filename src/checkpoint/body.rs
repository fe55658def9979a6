//! A checkpoint as text: JSON that a human can read, the last member the CRC-32 of all bytes before it.
//!
//! The checksum covers bytes, not values, so that every flipped or missing byte is found. Later versions
//! keep `version` and the checksum's place, so that an older program can say "newer" instead of "damaged".
//! Without a position (cleared) `position` is null and the epoch stays.

use std::path::Path;

use headwater_actors::{
    checkpoint::{Checkpoint, Mark, OrderingKey, Parked, RouteOrdering},
    filter::{FilterError, TableFilter},
    ports::store::Stored,
};
use headwater_binlog::{
    gtid::GtidSet,
    schema::TableName,
    xa::{Prepared, XaTable},
};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    columns::{self, KnownBody},
};

const VERSION: u64 = 1;
const CHECKSUM_HEAD: &str = ",\n  \"crc32\": \"";
const CHECKSUM_TAIL: &str = "\"\n}\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u64,
    name: String,
    epoch: u32,
    saved_us: u64,
    position: Option<PositionBody>,
    /// Checked and written as text.
    #[serde(rename = "crc32", skip_serializing)]
    _checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionBody {
    position: String,
    rows_done: u64,
    gtid_set: String,
    server_uuid: String,
    server_id: u32,
    commit_us: u64,
    ordering: OrderingBody,
    drained: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<KnownBody>,
    /// Prepared XA transactions; not there without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    xa: Vec<PreparedBody>,
    /// Tables that are passed over; not there without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parked: Vec<ParkedBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParkedBody {
    database: String,
    table: String,
    reason: String,
    since_us: u64,
    position: String,
    rows_done: u64,
    gtid_set: String,
    server_uuid: String,
    epoch: u32,
    commit_us: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<KnownBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    xa: Vec<PreparedBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreparedBody {
    xid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// A set of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtid: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "key", rename_all = "snake_case", deny_unknown_fields)]
enum OrderingBody {
    Table,
    PrimaryKey {
        lanes: u32,
    },
    Routed {
        routes: Vec<RouteBody>,
        default: Box<OrderingBody>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteBody {
    tables: Vec<String>,
    ordering: OrderingBody,
}

/// What any version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

pub(super) fn encode(name: &str, stored: &Stored) -> Result<String, serde_json::Error> {
    let position = stored.checkpoint.as_ref().map(|checkpoint| PositionBody {
        position: checkpoint.mark.position.to_string(),
        rows_done: checkpoint.mark.rows_done,
        gtid_set: checkpoint.gtid_set.to_string(),
        server_uuid: checkpoint.server_uuid.to_string(),
        server_id: checkpoint.server_id,
        commit_us: checkpoint.commit_us,
        ordering: OrderingBody::of(&checkpoint.ordering),
        drained: checkpoint.drained,
        columns: columns::bodies(&checkpoint.columns),
        xa: checkpoint.xa.open().iter().map(prepared_body).collect(),
        parked: checkpoint.parked.iter().map(parked_body).collect(),
    });
    let body = Body {
        version: VERSION,
        name: name.to_owned(),
        epoch: stored.epoch,
        saved_us: stored.saved_us,
        position,
        _checksum: String::new(),
    };
    let mut text = serde_json::to_string_pretty(&body)?;
    // The outer object stays open for the checksum.
    text.truncate(text.strip_suffix("\n}").map_or(text.len(), str::len));
    let checksum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{CHECKSUM_HEAD}{checksum:08x}{CHECKSUM_TAIL}"));
    Ok(text)
}

pub(super) fn decode(bytes: &[u8], path: &Path, name: &str) -> Result<Stored, Error> {
    let damaged = |found: String| Error::Damaged {
        path: path.to_owned(),
        found,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8".to_owned()))?;
    let checked = verify_checksum(text);
    let version = serde_json::from_str::<Versioned>(text).map(|any| any.version);
    if let Ok(found) = version
        && found > VERSION
    {
        return Err(Error::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    checked.map_err(damaged)?;
    let body: Body = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if body.version != VERSION {
        return Err(damaged(format!("version {} never was", body.version)));
    }
    if body.name != name {
        return Err(Error::OtherPipeline {
            path: path.to_owned(),
            found: body.name,
            wanted: name.to_owned(),
        });
    }
    let (epoch, name) = (body.epoch, body.name);
    let checkpoint = body
        .position
        .map(|position| checkpoint(position, name, epoch))
        .transpose()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Stored {
        epoch,
        checkpoint,
        saved_us: body.saved_us,
    })
}

fn checkpoint(
    body: PositionBody,
    name: String,
    epoch: u32,
) -> Result<Checkpoint, headwater_binlog::Error> {
    Ok(Checkpoint {
        name,
        server_uuid: body.server_uuid.parse()?,
        server_id: body.server_id,
        epoch,
        mark: Mark {
            position: body.position.parse()?,
            rows_done: body.rows_done,
        },
        gtid_set: body.gtid_set.parse()?,
        commit_us: body.commit_us,
        ordering: body
            .ordering
            .key()
            .map_err(|error| headwater_binlog::Error::Refused(error.to_string()))?,
        drained: body.drained,
        columns: columns::known(body.columns)?,
        xa: xa_table(body.xa)?,
        parked: body
            .parked
            .into_iter()
            .map(parked)
            .collect::<Result<_, _>>()?,
    })
}

fn xa_table(bodies: Vec<PreparedBody>) -> Result<XaTable, headwater_binlog::Error> {
    let open: Result<_, _> = bodies.into_iter().map(prepared).collect();
    Ok(XaTable::new(open?))
}

fn parked_body(parked: &Parked) -> ParkedBody {
    ParkedBody {
        database: parked.table.database.clone(),
        table: parked.table.table.clone(),
        reason: parked.reason.clone(),
        since_us: parked.since_us,
        position: parked.mark.position.to_string(),
        rows_done: parked.mark.rows_done,
        gtid_set: parked.gtid_set.to_string(),
        server_uuid: parked.server_uuid.to_string(),
        epoch: parked.epoch,
        commit_us: parked.commit_us,
        columns: columns::bodies(&parked.columns),
        xa: parked.xa.open().iter().map(prepared_body).collect(),
    }
}

fn parked(body: ParkedBody) -> Result<Parked, headwater_binlog::Error> {
    Ok(Parked {
        table: TableName {
            database: body.database,
            table: body.table,
        },
        reason: body.reason,
        since_us: body.since_us,
        server_uuid: body.server_uuid.parse()?,
        epoch: body.epoch,
        mark: Mark {
            position: body.position.parse()?,
            rows_done: body.rows_done,
        },
        gtid_set: body.gtid_set.parse()?,
        xa: xa_table(body.xa)?,
        columns: columns::known(body.columns)?,
        commit_us: body.commit_us,
    })
}

fn prepared_body(prepared: &Prepared) -> PreparedBody {
    let set = prepared.gtid.as_ref().map(|gtid| {
        let mut set = GtidSet::default();
        set.add(gtid);
        set.to_string()
    });
    PreparedBody {
        xid: prepared.xid.to_string(),
        position: prepared.position.as_ref().map(ToString::to_string),
        gtid: set,
    }
}

fn prepared(body: PreparedBody) -> Result<Prepared, headwater_binlog::Error> {
    let gtid = match body.gtid {
        Some(text) => Some(text.parse::<GtidSet>()?.only().ok_or_else(|| {
            headwater_binlog::Error::malformed("GTID of an XA transaction", "not one GTID")
        })?),
        None => None,
    };
    Ok(Prepared {
        xid: body.xid.parse()?,
        position: body.position.map(|text| text.parse()).transpose()?,
        gtid,
    })
}

impl OrderingBody {
    fn of(key: &OrderingKey) -> Self {
        match key {
            OrderingKey::Table => Self::Table,
            OrderingKey::PrimaryKey { lanes } => Self::PrimaryKey { lanes: *lanes },
            OrderingKey::Routed(routed) => Self::Routed {
                routes: routed
                    .routes
                    .iter()
                    .map(|route| RouteBody {
                        tables: route.tables.patterns().to_vec(),
                        ordering: Self::of(&route.key),
                    })
                    .collect(),
                default: Box::new(Self::of(&routed.default)),
            },
        }
    }

    fn key(self) -> Result<OrderingKey, FilterError> {
        Ok(match self {
            Self::Table => OrderingKey::Table,
            Self::PrimaryKey { lanes } => OrderingKey::PrimaryKey { lanes },
            Self::Routed { routes, default } => {
                let route = |route: RouteBody| {
                    Ok(RouteOrdering {
                        tables: TableFilter::new(&route.tables)?,
                        key: route.ordering.key()?,
                    })
                };
                let routes: Result<Vec<_>, _> = routes.into_iter().map(route).collect();
                OrderingKey::routed(routes?, default.key()?)
            }
        })
    }
}

fn verify_checksum(text: &str) -> Result<(), String> {
    let missing = || "its end with the checksum is missing".to_owned();
    let (head, tail) = text.rsplit_once(CHECKSUM_HEAD).ok_or_else(missing)?;
    let stored = tail.strip_suffix(CHECKSUM_TAIL).ok_or_else(missing)?;
    let computed = format!("{:08x}", crc32fast::hash(head.as_bytes()));
    if stored != computed {
        return Err(format!(
            "its checksum is \"{stored}\", its bytes give \"{computed}\""
        ));
    }
    Ok(())
}
