//! The road into Redshift: what Firehose copies into and what the schedule calls are what is generated, and each role
//! may do what its part of it needs, on that thing alone.

use std::{collections::BTreeSet, process::Command};

use headwater_harness::cache;
use serde_json::{Value, json};

use crate::{
    default_of,
    template::{Template, objects},
};

const WORKGROUP: &str = "arn:aws:redshift-serverless:us-east-1:123456789012:workgroup/1f0e";
const CLUSTER: &str = "arn:aws:redshift:us-east-1:123456789012:cluster:dwh";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dwh-1";
const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/changes";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:headwater";

fn warehouse(other: &[(&str, &str)]) -> Template {
    let given = [
        ("Database", "dev"),
        ("KmsKeyArn", KEY),
        ("AlarmTopicArn", TOPIC),
    ];
    Template::with("warehouse.yaml", &[&given[..], other].concat())
}

fn workgroup(other: &[(&str, &str)]) -> Template {
    let given = [("WorkgroupArn", WORKGROUP), ("WorkgroupName", "shop")];
    warehouse(&[&given[..], other].concat())
}

fn cluster(other: &[(&str, &str)]) -> Template {
    warehouse(&[&[("ClusterIdentifier", "dwh")][..], other].concat())
}

fn schema() -> String {
    let schema = default_of("warehouse", "schema");
    schema.as_str().unwrap().to_owned()
}

/// What the schedule sends.
fn input(template: &Template) -> Value {
    let schedule = template.properties("Schedule");
    serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap()
}

/// Action and resource of what the schedule's role may do.
fn granted(template: &Template) -> BTreeSet<(String, String)> {
    let role = template.properties("ScheduleRole");
    let all = |value: &Value| match value {
        Value::Array(items) => items
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    };
    let mut pairs = BTreeSet::new();
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap();
    for statement in statements {
        for action in all(&statement["Action"]) {
            let resources = all(&statement["Resource"]).into_iter();
            pairs.extend(resources.map(|resource| (action.clone(), resource)));
        }
    }
    pairs
}

#[test]
fn the_schedule_calls_the_merge_that_is_generated() {
    let call = format!("CALL \"{}\".merge_all()", schema());
    let name = format!("headwater-merge-{}", schema());
    let of = |place: Value| {
        let mut whole =
            json!({"Database": "dev", "StatementName": name, "Sql": call, "WithEvent": true});
        let members = place.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(members);
        whole
    };
    let secret = [("SecretArn", SECRET)];
    let user = [("DatabaseUser", "loader")];
    let wanted = [
        (workgroup(&[]), of(json!({"WorkgroupName": "shop"}))),
        (
            workgroup(&secret),
            of(json!({"WorkgroupName": "shop", "SecretArn": SECRET})),
        ),
        (
            cluster(&user),
            of(json!({"ClusterIdentifier": "dwh", "DbUser": "loader"})),
        ),
        (
            cluster(&secret),
            of(json!({"ClusterIdentifier": "dwh", "SecretArn": SECRET})),
        ),
    ];
    for (template, wanted) in &wanted {
        assert_eq!(&input(template), wanted);
        ensure_known(wanted);
    }
    let template = include_str!("../../warehouse/templates/merge_all.sql");
    assert!(template.contains("CREATE OR REPLACE PROCEDURE {{ control }}.merge_all()"));
}

/// AWS's own description of the call takes these parameters.
fn ensure_known(input: &Value) {
    let script = "
import json, sys, botocore.session, botocore.validate
model = botocore.session.get_session().get_service_model('redshift-data')
shape = model.operation_model('ExecuteStatement').input_shape
report = botocore.validate.ParamValidator().validate(json.loads(sys.argv[1]), shape)
assert not report.has_errors(), report.generate_report()
";
    let python = cache::installed("moto").unwrap().join("venv/bin/python");
    let output = Command::new(python)
        .args(["-c", script, &input.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn it_is_called_each_minute_or_as_often_as_wanted() {
    let expression =
        |template: &Template| template.properties("Schedule")["ScheduleExpression"].clone();
    assert_eq!(expression(&workgroup(&[])), "rate(1 minute)");
    assert_eq!(
        expression(&workgroup(&[("Minutes", "5")])),
        "rate(5 minutes)"
    );
}

#[test]
fn the_schedule_may_send_one_statement_to_one_place() {
    let always = [
        ("sqs:SendMessage", "Failures.Arn"),
        ("kms:Decrypt", KEY),
        ("kms:GenerateDataKey", KEY),
    ];
    let user = "arn:aws:redshift:us-east-1:123456789012:dbuser:dwh/loader";
    let database = "arn:aws:redshift:us-east-1:123456789012:dbname:dwh/dev";
    let statement = "redshift-data:ExecuteStatement";
    let secret = ("secretsmanager:GetSecretValue", SECRET);
    let wanted = [
        (
            workgroup(&[]),
            vec![
                (statement, WORKGROUP),
                ("redshift-serverless:GetCredentials", WORKGROUP),
            ],
        ),
        (
            workgroup(&[("SecretArn", SECRET)]),
            vec![(statement, WORKGROUP), secret],
        ),
        (
            cluster(&[("DatabaseUser", "loader")]),
            vec![
                (statement, CLUSTER),
                ("redshift:GetClusterCredentials", user),
                ("redshift:GetClusterCredentials", database),
            ],
        ),
        (
            cluster(&[("SecretArn", SECRET)]),
            vec![(statement, CLUSTER), secret],
        ),
    ];
    let page = crate::read("docs/warehouse.md");
    for (template, own) in wanted {
        let pairs = own.into_iter().chain(always);
        let pairs: BTreeSet<_> = pairs
            .map(|(action, on)| (action.to_owned(), on.to_owned()))
            .collect();
        assert_eq!(granted(&template), pairs);
        for (action, _) in pairs {
            assert!(
                page.contains(&format!("`{action}`")),
                "docs/warehouse.md lacks {action}"
            );
        }
    }
}

#[test]
fn a_merge_that_fails_is_told_and_kept() {
    let template = workgroup(&[]);
    let pattern = &template.properties("FailedMerges")["EventPattern"];
    assert_eq!(
        pattern["detail"]["statementName"],
        json!([input(&template)["StatementName"]])
    );
    assert_eq!(pattern["detail"]["state"], json!(["FAILED", "ABORTED"]));
    assert_eq!(pattern["source"], json!(["aws.redshift-data"]));
    let schedule = template.properties("Schedule");
    assert_eq!(
        schedule["Target"]["DeadLetterConfig"]["Arn"],
        "Failures.Arn"
    );
    for alarm in ["MergeFails", "MergeIsNotCalled"] {
        assert_eq!(
            template.properties(alarm)["AlarmActions"],
            json!([TOPIC]),
            "{alarm}"
        );
    }
    let counted = &template.properties("MergeFails")["Dimensions"][0]["Value"];
    assert_eq!(counted, "FailedMerges");
}

#[test]
fn redshift_may_read_the_stream_only_where_it_is_named() {
    assert!(!workgroup(&[]).has("StreamReaderRole"));
    let template = workgroup(&[("StreamArn", STREAM)]);
    assert!(template.has("StreamReaderRole"));
    let role = template.properties("StreamReaderRole");
    let statements = &role["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(statements[0]["Resource"], STREAM);
    assert_eq!(statements[1]["Resource"], KEY);
    let is_reading = |action: &Value| {
        let action = action.as_str().unwrap();
        ["kinesis:Describe", "kinesis:Get", "kinesis:List"]
            .iter()
            .any(|begin| action.starts_with(begin))
    };
    assert!(
        statements[0]["Action"]
            .as_array()
            .unwrap()
            .iter()
            .all(is_reading)
    );
    for object in objects(&role) {
        assert_ne!(object.get("Resource"), Some(&json!("*")));
    }
}

#[test]
fn firehose_copies_whole_lines_into_what_is_generated() {
    let given = [
        ("AlarmTopicArn", TOPIC),
        ("KmsKeyArn", KEY),
        ("RedshiftJdbcUrl", "jdbc:redshift://host:5439/dev"),
        ("RedshiftSecretArn", SECRET),
    ];
    let delivery = Template::with("delivery.yaml", &given);
    let redshift = &delivery.properties("ToRedshift")["RedshiftDestinationConfiguration"];
    let copy = &redshift["CopyCommand"];
    assert_eq!(copy["DataTableName"], format!("{}.incoming", schema()));
    assert_eq!(copy["DataTableColumns"], "line");
    let options = copy["CopyOptions"].as_str().unwrap();
    assert_eq!(options, "FORMAT AS JSON 'noshred' GZIP");
    let readme = include_str!("../../warehouse/templates/readme.md");
    assert!(
        readme.contains(&format!("`{options}`")),
        "what is generated says something else"
    );
    assert_eq!(redshift["S3Configuration"]["CompressionFormat"], "GZIP");
    assert_eq!(redshift["RetryOptions"]["DurationInSeconds"], 3600);

    let flat = [
        ("RedshiftColumns", ""),
        (
            "RedshiftCopyOptions",
            "FORMAT AS JSON 'auto ignorecase' GZIP",
        ),
    ];
    let delivery = Template::with("delivery.yaml", &[&given[..], &flat].concat());
    let copy =
        &delivery.properties("ToRedshift")["RedshiftDestinationConfiguration"]["CopyCommand"];
    assert_eq!(copy.get("DataTableColumns"), None, "all columns, by name");
}
