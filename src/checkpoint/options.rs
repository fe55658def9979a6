//! `[checkpoint]`: which store, its lease, and that its own writes are never sent.

use std::{path::PathBuf, time::Duration};

use headwater_actors::{
    filter::{TableFilter, is_system_schema},
    pace::CheckpointPace,
};
use serde::Deserialize;

use crate::{
    aws::{AwsOptions, AwsPlan},
    lease::{Span, work::Work},
    mysql::options::{SourcePlan, address},
    options::{Error, duration_secs, number, optional, read_choice},
    password::{Auth, PasswordKeys, PasswordOptions},
    secret::Secret,
};

const TABLE: &str = "checkpoint.mysql.table";
const PASSWORD_KEYS: PasswordKeys = PasswordKeys {
    url: "checkpoint.mysql.url",
    variable: "HEADWATER__CHECKPOINT__MYSQL__PASSWORD",
    file: "checkpoint.mysql.password_file",
    secret: "checkpoint.mysql.password_secret",
    auth: "checkpoint.mysql.auth",
};
const TABLE_SHAPE: &str =
    "write \"DATABASE.TABLE\" of letters, digits, \"_\" and \"$\", a database for Headwater alone";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointOptions {
    #[serde(rename = "type", deserialize_with = "read_choice")]
    kind: Kind,
    interval_ms: u64,
    late_after_secs: u64,
    lease_secs: u64,
    file: FileOptions,
    mysql: MySqlOptions,
    dynamodb: DynamoDbOptions,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    MySql,
    DynamoDb,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOptions {
    path: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MySqlOptions {
    /// May hold a password.
    url: Secret,
    /// Only from the environment.
    password: Secret,
    password_file: String,
    password_secret: String,
    #[serde(deserialize_with = "read_choice")]
    auth: Auth,
    table: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DynamoDbOptions {
    table: String,
    #[serde(flatten)]
    aws: AwsOptions,
}

#[derive(Debug, Clone)]
pub struct CheckpointPlan {
    pub store: StorePlan,
    pub pace: CheckpointPace,
    /// A process that died is replaced within this time. A file needs none.
    pub lease: Duration,
    /// What the pipeline does, for others that find its claim.
    pub work: Work,
}

#[derive(Debug, Clone)]
pub enum StorePlan {
    File(PathBuf),
    MySql(Box<MySqlStorePlan>),
    DynamoDb(DynamoDbStorePlan),
}

#[derive(Debug, Clone)]
pub struct MySqlStorePlan {
    /// How to connect; the source's own unless `checkpoint.mysql.url` says otherwise.
    pub server: SourcePlan,
    pub database: String,
    pub table: String,
}

#[derive(Debug, Clone)]
pub struct DynamoDbStorePlan {
    pub table: String,
    pub aws: AwsPlan,
}

impl MySqlStorePlan {
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }

    /// For SQL.
    pub fn quoted(&self) -> String {
        format!("`{}`.`{}`", self.database, self.table)
    }
}

impl CheckpointOptions {
    pub fn plan(&self, source: &SourcePlan, work: Work) -> Result<CheckpointPlan, Error> {
        let store = match self.kind {
            Kind::File => file(&self.file.path)?,
            Kind::MySql => mysql(&self.mysql, source)?,
            Kind::DynamoDb => dynamodb(&self.dynamodb)?,
        };
        let interval_ms = number("checkpoint.interval_ms", self.interval_ms, 10..=3_600_000)?;
        Ok(CheckpointPlan {
            store,
            pace: CheckpointPace {
                interval: Duration::from_millis(interval_ms),
                late_after: duration_secs(
                    "checkpoint.late_after_secs",
                    self.late_after_secs,
                    1..=86_400,
                )?,
            },
            lease: duration_secs("checkpoint.lease_secs", self.lease_secs, 2..=3600)?,
            work,
        })
    }
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

fn mysql(settings: &MySqlOptions, source: &SourcePlan) -> Result<StorePlan, Error> {
    const KEY: &str = "checkpoint.mysql.url";
    let (database, table) = table_name(&settings.table)?;
    let url = settings.url.reveal();
    let mut server = source.clone();
    if url.is_empty() {
        let of_no_effect = [
            ("password_file", !settings.password.is_empty()),
            ("password_file", !settings.password_file.is_empty()),
            ("password_secret", !settings.password_secret.is_empty()),
            ("auth", settings.auth != Auth::Password),
        ];
        if let Some((name, _)) = of_no_effect.iter().find(|(_, is_set)| *is_set) {
            return Err(Error::new(
                format!("checkpoint.mysql.{name}"),
                "has no effect without checkpoint.mysql.url",
                "set checkpoint.mysql.url, or remove it: without it the source's own account is used",
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
        let password = PasswordOptions {
            keys: PASSWORD_KEYS,
            in_url: address.password,
            in_environment: &settings.password,
            in_file: &settings.password_file,
            in_secret: &settings.password_secret,
            auth: settings.auth,
            aws: &source.aws,
        };
        server.password = password.plan()?;
        server
            .tls
            .ensure_encrypted("checkpoint.mysql.auth", &server.password)?;
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

fn dynamodb(dynamodb: &DynamoDbOptions) -> Result<StorePlan, Error> {
    const KEY: &str = "checkpoint.dynamodb.table";
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(3..=255).contains(&dynamodb.table.len()) || !dynamodb.table.bytes().all(is_allowed) {
        return Err(Error::new(
            KEY,
            format!("\"{}\" is no table name", dynamodb.table),
            "write the name alone, not the ARN: 3 to 255 letters, digits, \"_\", \".\", \"-\"",
        ));
    }
    let aws = dynamodb.aws.plan();
    Ok(StorePlan::DynamoDb(DynamoDbStorePlan {
        table: dynamodb.table.clone(),
        aws: aws.map_err(|error| error.under("checkpoint.dynamodb"))?,
    }))
}

impl CheckpointPlan {
    /// The longest call to a sink: with a lease none may outlive it.
    pub fn call_max(&self) -> Option<Duration> {
        match &self.store {
            StorePlan::File(_) => None,
            StorePlan::MySql(_) | StorePlan::DynamoDb(_) => Some(Span(self.lease).put_max()),
        }
    }

    /// `source.tables` without the database of the checkpoint's table: each save would be a change to send.
    pub fn tables_sent(&self, patterns: &[String]) -> Result<TableFilter, Error> {
        let wrong = |error: headwater_actors::filter::FilterError| {
            Error::new(
                "source.tables",
                error.to_string(),
                "see config/default.toml",
            )
        };
        let written = TableFilter::new(patterns).map_err(wrong)?;
        let StorePlan::MySql(store) = &self.store else {
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
}

#[cfg(test)]
mod tests {
    use headwater_binlog::schema::TableName;

    use super::*;
    use crate::{plan::Plan, settings::Layers, sinks::SinkPlan};

    fn plan_of(sets: &[&str]) -> Result<Plan, Error> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let layers = Layers {
            sets: &sets,
            ..Layers::default()
        };
        Plan::from_settings(&layers.load().expect("settings"))
    }

    fn refused_key(sets: &[&str]) -> String {
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
        let password = elsewhere.password.at_hand().expect("a password");
        assert_eq!(password.reveal(), "q");
        assert_eq!(
            refused_key(&[MYSQL, "source.hosts=b"]),
            "checkpoint.mysql.url"
        );
        assert_eq!(
            refused_key(&[MYSQL, "checkpoint.mysql.url=other"]),
            "checkpoint.mysql.url"
        );
        for (name, value) in [
            ("password_file", "p"),
            ("password_secret", "db"),
            ("auth", "rds_iam"),
        ] {
            let key = format!("checkpoint.mysql.{name}");
            assert_eq!(refused_key(&[MYSQL, &format!("{key}={value}")]), key);
        }
        let elsewhere = "checkpoint.mysql.url=mysql://v@other";
        let token = "checkpoint.mysql.auth=rds_iam";
        assert_eq!(
            refused_key(&[MYSQL, elsewhere, token]),
            "checkpoint.mysql.auth"
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
