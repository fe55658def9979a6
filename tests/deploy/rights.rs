//! The task's role is allowed exactly what the program calls: the settings of the task run between servers, and a proxy
//! before each of them writes down what is asked.
//!
//! The key is not among it: Kinesis, DynamoDB and Secrets Manager ask for it in the program's name.

use std::collections::BTreeSet;

use anyhow::Context;
use headwater_harness::{
    aws::JsonService,
    faults::FaultProxy,
    kinesis::Kinesis,
    moto::Moto,
    mysql::{MySql, PASSWORD, USER},
    program::Launch,
    wait::Deadline,
};
use serde_json::{Value, json};

use crate::{
    BINARY, WITHIN,
    service::{service, settings},
    template::Template,
};

const TABLE: &str = "headwater";

/// The statements of the task's role, without those for the key.
fn statements(service: &Template) -> Vec<Value> {
    let role = service.properties("TaskRole");
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap();
    let is_of_key = |statement: &Value| {
        actions(statement)
            .iter()
            .all(|action| action.starts_with("kms:"))
    };
    statements
        .iter()
        .filter(|statement| !is_of_key(statement))
        .cloned()
        .collect()
}

/// What a statement allows.
pub fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(one) => vec![one.clone()],
        several => {
            let several = several.as_array().unwrap().iter();
            several
                .map(|action| action.as_str().unwrap().to_owned())
                .collect()
        }
    }
}

fn granted(service: &Template) -> BTreeSet<String> {
    statements(service).iter().flat_map(actions).collect()
}

/// `Kinesis_20131202.PutRecords` as IAM calls it.
fn action(operation: &str) -> String {
    let (service, operation) = operation.split_once('.').unwrap();
    let service = service.split('_').next().unwrap().to_lowercase();
    format!("{service}:{operation}")
}

/// The table as the template makes it, which no call of the program is about.
async fn create_table(moto: &Moto) -> anyhow::Result<()> {
    let table = Template::with("foundation.yaml", &[]).properties("CheckpointTable");
    let input = json!({
        "TableName": TABLE,
        "BillingMode": table["BillingMode"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "KeySchema": table["KeySchema"],
    });
    moto.dynamodb().call("CreateTable", &input).await.map(drop)
}

/// `check`, then a life: rows are delivered, the position is stored, it drains. What was called.
async fn calls(
    service: &Template,
    mysql: &MySql,
    sink: (&str, &FaultProxy),
    moto: &Moto,
) -> anyhow::Result<BTreeSet<String>> {
    let store = FaultProxy::in_front_of(&moto.endpoint(), 1, 1).await?;
    let folder = tempfile::tempdir()?;
    let launch = |arguments: &[&str]| {
        let launch = Launch::new(BINARY, folder.path(), arguments)?
            .env("HEADWATER_CONFIG", &settings(service))
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &store.url())
            .setting(&format!("sink.{}.endpoint_url", sink.0), &sink.1.url())
            .setting("checkpoint.dynamodb.endpoint_url", &store.url());
        anyhow::Ok(launch.shown())
    };
    let checked = launch(&["check"])?.finish(WITHIN).await?;
    anyhow::ensure!(checked.code() == Some(0), "{}", checked.text());
    let mut program = launch(&["run"])?.start()?;
    program.wait_ready(WITHIN).await?;
    let before = sink.1.stats().calls;
    mysql
        .exec("INSERT INTO shop.orders VALUES (1), (2)")
        .await?;
    let deadline = Deadline::after(WITHIN, "the position to be stored");
    let stored = |status: &Value| status["position_durable"] == status["position_read"];
    while sink.1.stats().calls == before || !stored(&program.status().await?) {
        deadline.pause().await?;
    }
    let ended = program.drain(WITHIN).await?;
    anyhow::ensure!(ended.code() == Some(0), "{}", ended.text());
    let calls = sink.1.operations().into_iter().chain(store.operations());
    Ok(calls.map(|operation| action(&operation)).collect())
}

/// The account's password, kept as the template wants it.
async fn secret(moto: &Moto) -> anyhow::Result<String> {
    let text = json!({"username": USER, "password": PASSWORD}).to_string();
    let input = json!({"Name": "headwater/shop", "SecretString": text});
    let service = JsonService::secrets_manager(&moto.endpoint());
    let made = service.call("CreateSecret", &input).await?;
    Ok(made["ARN"].as_str().context("its ARN")?.to_owned())
}

async fn source() -> anyhow::Result<MySql> {
    let mysql = MySql::start().await?;
    mysql
        .exec("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)")
        .await?;
    Ok(mysql)
}

/// The parameters that name the source.
fn database<'a>(port: &'a str, secret: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("DatabaseHost", "127.0.0.1"),
        ("DatabasePort", port),
        ("DatabaseUser", USER),
        ("PasswordSecretArn", secret),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn to_kinesis_the_role_allows_what_is_called_and_no_more() -> anyhow::Result<()> {
    let (mysql, kinesis, moto) = tokio::try_join!(source(), Kinesis::start(), Moto::start())?;
    tokio::try_join!(kinesis.create_stream("changes", 1), create_table(&moto))?;
    let proxy = FaultProxy::in_front_of(&kinesis.endpoint(), 1, 1).await?;
    let (port, secret) = (mysql.port().to_string(), secret(&moto).await?);
    let service = service(&database(&port, &secret));
    let called = calls(&service, &mysql, ("kinesis", &proxy), &moto).await?;
    assert_eq!(called, granted(&service));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn to_firehose_the_role_allows_what_is_called_and_no_more() -> anyhow::Result<()> {
    let (mysql, moto) = tokio::try_join!(source(), Moto::start())?;
    moto.create_bucket("lake").await?;
    tokio::try_join!(
        moto.create_delivery_stream("changes", "lake"),
        create_table(&moto)
    )?;
    let proxy = FaultProxy::in_front_of(&moto.endpoint(), 1, 1).await?;
    let (port, secret) = (mysql.port().to_string(), secret(&moto).await?);
    let sink = [("StreamName", ""), ("DeliveryStreamName", "changes")];
    let service = service(&[&database(&port, &secret)[..], &sink].concat());
    let called = calls(&service, &mysql, ("firehose", &proxy), &moto).await?;
    assert_eq!(called, granted(&service));
    Ok(())
}

/// Each on what it was given by name; the table's on its own item and that of requests.
#[test]
fn every_right_is_for_one_thing() -> anyhow::Result<()> {
    let more = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    let service = service(&[("RouteStreamArns", more)]);
    for statement in statements(&service) {
        let id = statement["Sid"].as_str().context("a name")?;
        let expected = match id {
            "Stream" => json!("arn:aws:kinesis:us-east-1:123456789012:stream/changes"),
            "RouteStreams" => json!([more]),
            "Checkpoint" => json!("arn:aws:dynamodb:us-east-1:123456789012:table/headwater"),
            "Password" => json!("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-1"),
            other => anyhow::bail!("a right for {other}"),
        };
        assert_eq!(statement["Resource"], expected, "{id}");
    }
    let checkpoint = &statements(&service)[2];
    let keys = &checkpoint["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];
    assert_eq!(keys, &json!(["shop", "/shop"]));
    // Signed and not called, so no proxy sees it.
    let iam = [("PasswordSecretArn", ""), ("DatabaseResourceId", "db-ABC")];
    let statements = statements(&crate::service::service(&iam));
    let login = statements.last().context("a right")?;
    assert_eq!(login["Action"], "rds-db:connect");
    let account = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABC/headwater";
    assert_eq!(login["Resource"], account);
    Ok(())
}

/// What docs/aws.md says of the role is what the template has.
#[test]
fn the_page_lists_every_right() {
    let page = crate::read("docs/aws.md");
    let firehose = service(&[("StreamName", ""), ("DeliveryStreamName", "changes")]);
    for service in [service(&[]), firehose] {
        for action in granted(&service) {
            assert!(
                page.contains(&format!("`{action}`")),
                "docs/aws.md lacks {action}"
            );
        }
    }
}
