//! The checkpoint's part of the plan: which store, its lease, and that its own writes are never sent.

use std::{path::PathBuf, time::Duration};

use headwater_actors::{
    filter::{TableFilter, is_system_schema},
    pace::CheckpointPace,
};

use super::{
    CheckpointPlan, DynamoDbStorePlan, Error, MySqlStorePlan, SourcePlan, StorePlan, address,
    sinks,
    source::{Places, password},
    values::{choose, duration_secs, number, optional},
};
use crate::settings::{CheckpointMySqlSettings, Settings};

const TABLE: &str = "checkpoint.mysql.table";
const TABLE_SHAPE: &str =
    "write \"DATABASE.TABLE\" of letters, digits, \"_\" and \"$\", a database for Headwater alone";

#[derive(Clone, Copy)]
enum Kind {
    File,
    MySql,
    DynamoDb,
}

pub(super) fn checkpoint(
    settings: &Settings,
    source: &SourcePlan,
) -> Result<CheckpointPlan, Error> {
    let kinds = [
        ("file", Kind::File),
        ("mysql", Kind::MySql),
        ("dynamodb", Kind::DynamoDb),
    ];
    let checkpoint = &settings.checkpoint;
    let store = match choose("checkpoint.type", &checkpoint.kind, &kinds)? {
        Kind::File => file(&checkpoint.file.path)?,
        Kind::MySql => mysql(&checkpoint.mysql, source)?,
        Kind::DynamoDb => dynamodb(settings)?,
    };
    let interval_ms = number(
        "checkpoint.interval_ms",
        checkpoint.interval_ms,
        10..=3_600_000,
    )?;
    Ok(CheckpointPlan {
        store,
        pace: CheckpointPace {
            interval: Duration::from_millis(interval_ms),
            late_after: duration_secs(
                "checkpoint.late_after_secs",
                checkpoint.late_after_secs,
                1..=86_400,
            )?,
        },
        lease: duration_secs("checkpoint.lease_secs", checkpoint.lease_secs, 2..=3600)?,
    })
}

fn file(path: &str) -> Result<StorePlan, Error> {
    let path = optional(path).ok_or_else(|| {
        Error::new(
            "checkpoint.file.path",
            "is empty",
            "name a file on a disk that outlives the process",
        )
    })?;
    Ok(StorePlan::File(PathBuf::from(path)))
}

fn mysql(settings: &CheckpointMySqlSettings, source: &SourcePlan) -> Result<StorePlan, Error> {
    const KEY: &str = "checkpoint.mysql.url";
    let (database, table) = table_name(&settings.table)?;
    let places = Places {
        keys: [
            KEY,
            "HEADWATER__CHECKPOINT__MYSQL__PASSWORD",
            "checkpoint.mysql.password_file",
        ],
        in_environment: &settings.password,
        in_file: &settings.password_file,
    };
    let url = settings.url.reveal();
    let mut server = source.clone();
    if url.is_empty() {
        if !settings.password.is_empty() || !settings.password_file.is_empty() {
            return Err(Error::new(
                "checkpoint.mysql.password_file",
                "has no effect without checkpoint.mysql.url",
                "set checkpoint.mysql.url, or remove the password: without it the source's own account is used",
            ));
        }
        if server.hosts.len() > 1 {
            return Err(Error::new(
                KEY,
                "is empty, but source.hosts names more servers",
                "name the one server that has the table, by a name that leads to the primary: after a failover two processes must not look into two tables",
            ));
        }
    } else {
        let address = address::url_of(KEY, url)?;
        server.hosts = vec![address.host];
        server.user = address.user;
        server.password = password(&places, address.password)?;
    }
    Ok(StorePlan::MySql(Box::new(MySqlStorePlan {
        server,
        database,
        table,
    })))
}

fn table_name(text: &str) -> Result<(String, String), Error> {
    let wrong = |problem: String| Err(Error::new(TABLE, problem, TABLE_SHAPE));
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte))
    };
    match text.split_once('.') {
        Some((database, _)) if is_system_schema(database) => {
            wrong(format!("\"{database}\" belongs to the server"))
        }
        Some((database, table)) if is_name(database) && is_name(table) => {
            Ok((database.to_owned(), table.to_owned()))
        }
        _ => wrong(format!("\"{text}\" is no table's full name")),
    }
}

fn dynamodb(settings: &Settings) -> Result<StorePlan, Error> {
    const KEY: &str = "checkpoint.dynamodb.table";
    let dynamodb = &settings.checkpoint.dynamodb;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(3..=255).contains(&dynamodb.table.len()) || !dynamodb.table.bytes().all(is_allowed) {
        return Err(Error::new(
            KEY,
            format!("\"{}\" is no table name", dynamodb.table),
            "write the name alone, not the ARN: 3 to 255 letters, digits, \"_\", \".\", \"-\"",
        ));
    }
    let aws = sinks::aws(
        [
            "checkpoint.dynamodb.endpoint_url",
            "checkpoint.dynamodb.role_arn",
        ],
        [&dynamodb.region, &dynamodb.endpoint_url, &dynamodb.role_arn],
    )?;
    Ok(StorePlan::DynamoDb(DynamoDbStorePlan {
        table: dynamodb.table.clone(),
        aws,
    }))
}

/// `source.tables` without the database of the checkpoint's table: each save would be a change to send.
pub(super) fn tables(
    patterns: &[String],
    checkpoint: &CheckpointPlan,
) -> Result<TableFilter, Error> {
    let wrong = |error: headwater_actors::filter::FilterError| {
        Error::new(
            "source.tables",
            error.to_string(),
            "see config/default.toml",
        )
    };
    let written = TableFilter::new(patterns).map_err(wrong)?;
    let StorePlan::MySql(store) = &checkpoint.store else {
        return Ok(written);
    };
    let database = &store.database;
    let names_it = |pattern: &&String| {
        let literal = format!("`{database}`.");
        pattern.starts_with(&format!("{database}.")) || pattern.starts_with(&literal)
    };
    if patterns.iter().any(|pattern| names_it(&pattern)) {
        return Err(Error::new(
            TABLE,
            format!("lies in \"{database}\", whose tables source.tables wants"),
            "give the checkpoint a database of its own",
        ));
    }
    let mut patterns = patterns.to_vec();
    patterns.push(format!("!`{database}`.*"));
    TableFilter::new(&patterns).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use headwater_binlog::schema::TableName;

    use super::*;
    use crate::{
        plan::{Plan, SinkPlan},
        settings::Layers,
    };

    fn plan_of(sets: &[&str]) -> Result<Plan, Error> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let layers = Layers {
            sets: &sets,
            ..Layers::default()
        };
        Plan::from_settings(&layers.load().expect("settings").settings)
    }

    fn refused_key(sets: &[&str]) -> &'static str {
        plan_of(sets).expect_err("refused").key
    }

    const MYSQL: &str = "checkpoint.type=mysql";
    const DYNAMODB: &str = "checkpoint.type=dynamodb";

    #[test]
    fn the_checkpoints_own_database_is_never_sent() {
        let includes = |plan: &Plan, database: &str| {
            plan.tables.includes(&TableName {
                database: database.to_owned(),
                table: "checkpoint".to_owned(),
            })
        };
        let plan = plan_of(&[MYSQL]).expect("a plan");
        assert!(includes(&plan, "shop") && !includes(&plan, "headwater"));
        assert!(!plan.tables.may_include_database("headwater"));
        assert!(plan.tables.may_include_database("shop"));
        let plan = plan_of(&[DYNAMODB]).expect("a plan");
        assert!(includes(&plan, "headwater"));
        assert_eq!(
            refused_key(&[MYSQL, "source.tables=shop.*,headwater.a"]),
            TABLE
        );
    }

    #[test]
    fn the_table_is_on_the_source_unless_a_url_says_otherwise() {
        let server = |sets: &[&str]| match plan_of(sets).expect("a plan").checkpoint.store {
            StorePlan::MySql(store) => store.server,
            other => panic!("{other:?}"),
        };
        let source = "source.url=mysql://u:p@db";
        assert_eq!(server(&[MYSQL, source]).hosts[0].name, "db");
        let elsewhere = server(&[MYSQL, source, "checkpoint.mysql.url=mysql://v:q@other:3307"]);
        assert_eq!(
            (elsewhere.user.as_str(), elsewhere.hosts[0].port),
            ("v", 3307)
        );
        assert_eq!(elsewhere.password.reveal(), "q");
        assert_eq!(
            refused_key(&[MYSQL, "source.hosts=b"]),
            "checkpoint.mysql.url"
        );
        assert_eq!(
            refused_key(&[MYSQL, "checkpoint.mysql.url=other"]),
            "checkpoint.mysql.url"
        );
        assert_eq!(
            refused_key(&[MYSQL, "checkpoint.mysql.password_file=p"]),
            "checkpoint.mysql.password_file"
        );
    }

    #[test]
    fn names_that_no_store_takes_are_refused() {
        for table in ["headwater", "mysql.checkpoint", "a.b`c", "a.", "a.b.c"] {
            let set = format!("{TABLE}={table}");
            assert_eq!(refused_key(&[MYSQL, &set]), TABLE, "{table}");
        }
        let table = "checkpoint.dynamodb.table=a b";
        assert_eq!(refused_key(&[DYNAMODB, table]), "checkpoint.dynamodb.table");
        let url = "checkpoint.dynamodb.endpoint_url=localhost";
        assert_eq!(
            refused_key(&[DYNAMODB, url]),
            "checkpoint.dynamodb.endpoint_url"
        );
        assert_eq!(
            refused_key(&["checkpoint.lease_secs=1"]),
            "checkpoint.lease_secs"
        );
    }

    #[test]
    fn no_call_to_the_sink_outlives_the_lease() {
        let timeout = |sets: &[&str]| {
            let kinesis = ["sink.type=kinesis", "sink.kinesis.stream=s"];
            let sets: Vec<&str> = kinesis.iter().chain(sets).copied().collect();
            match plan_of(&sets).expect("a plan").sink {
                SinkPlan::Kinesis(plan) => plan.call_timeout.as_secs(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(timeout(&[]), 30);
        assert_eq!(timeout(&[DYNAMODB]), 12);
        assert_eq!(timeout(&[DYNAMODB, "sink.kinesis.call_timeout_secs=5"]), 5);
    }
}
