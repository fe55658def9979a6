//! A checkpoint as text: JSON that a human can read, the last member the CRC-32 of all bytes before it.
//!
//! The checksum covers bytes, not values, so that every flipped or missing byte is found. Later versions
//! keep `version` and the checksum's place, so that an older program can say "newer" instead of "damaged".
//! Without a position (cleared) `position` is null and the epoch stays.

use std::path::Path;

use headwater_actors::{
    checkpoint::{Checkpoint, OrderingKey, Parked, RouteOrdering},
    filter::{FilterError, TableFilter},
    ports::store::{EndedBy, LastEnd, Stored},
    progress::Home,
};
use headwater_binlog::schema::TableName;
use serde::{Deserialize, Serialize};

use super::{Error, resume::ResumeBody};

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
    /// Not there before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_end: Option<EndBody>,
    /// Checked and written as text.
    #[serde(rename = "crc32", skip_serializing)]
    _checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndBody {
    #[serde(with = "EndedByBody")]
    how: EndedBy,
    reason: Option<String>,
    hint: Option<String>,
    at_us: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "EndedBy", rename_all = "snake_case")]
enum EndedByBody {
    Drain,
    Halt,
    Grace,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionBody {
    #[serde(flatten)]
    resume: ResumeBody,
    server_uuid: String,
    server_id: u32,
    ordering: OrderingBody,
    drained: bool,
    /// Patterns; not there in those of earlier builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tables: Vec<String>,
    /// Patterns; not there without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    snapshot_tables: Vec<String>,
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
    server_uuid: String,
    epoch: u32,
    #[serde(flatten)]
    resume: ResumeBody,
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
        resume: ResumeBody::of(&checkpoint.resume),
        server_uuid: checkpoint.home.server_uuid.to_string(),
        server_id: checkpoint.server_id,
        ordering: OrderingBody::of(&checkpoint.ordering),
        drained: checkpoint.drained,
        tables: checkpoint.tables.to_vec(),
        snapshot_tables: checkpoint.snapshot_tables.to_vec(),
        parked: checkpoint.parked.iter().map(parked_body).collect(),
    });
    let body = Body {
        version: VERSION,
        name: name.to_owned(),
        epoch: stored.epoch,
        saved_us: stored.saved_us,
        position,
        last_end: stored.last_end.as_ref().map(EndBody::of),
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
        last_end: body.last_end.map(EndBody::end),
    })
}

impl EndBody {
    fn of(end: &LastEnd) -> Self {
        Self {
            how: end.how,
            reason: end.reason.clone(),
            hint: end.hint.clone(),
            at_us: end.at_us,
        }
    }

    fn end(self) -> LastEnd {
        LastEnd {
            how: self.how,
            reason: self.reason,
            hint: self.hint,
            at_us: self.at_us,
        }
    }
}

fn checkpoint(
    body: PositionBody,
    name: String,
    epoch: u32,
) -> Result<Checkpoint, headwater_binlog::Error> {
    Ok(Checkpoint {
        name,
        server_id: body.server_id,
        home: Home {
            server_uuid: body.server_uuid.parse()?,
            epoch,
        },
        resume: body.resume.resume()?,
        ordering: body
            .ordering
            .key()
            .map_err(|error| headwater_binlog::Error::Refused(error.to_string()))?,
        drained: body.drained,
        tables: body.tables.into(),
        snapshot_tables: body.snapshot_tables.into(),
        parked: body
            .parked
            .into_iter()
            .map(parked)
            .collect::<Result<_, _>>()?,
    })
}

fn parked_body(parked: &Parked) -> ParkedBody {
    ParkedBody {
        database: parked.table.database.clone(),
        table: parked.table.table.clone(),
        reason: parked.reason.clone(),
        since_us: parked.since_us,
        server_uuid: parked.home.server_uuid.to_string(),
        epoch: parked.home.epoch,
        resume: ResumeBody::of(&parked.resume),
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
        home: Home {
            server_uuid: body.server_uuid.parse()?,
            epoch: body.epoch,
        },
        resume: body.resume.resume()?,
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
