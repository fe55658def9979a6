//! Which ends of a task are told, and which ask whether the service is to be stopped: events as ECS sends them, against
//! the patterns of the rules. The rights of who stops it. Not here: what it then does (`stopper`).

use std::collections::BTreeSet;

use headwater::exit::Exit;
use serde_json::{Value, json};

use crate::template::{Template, objects};

pub const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/headwater";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:headwater";

/// With more parameters.
pub fn halts(other: &[(&str, &str)]) -> Template {
    let given = [
        ("Name", "shop"),
        ("AlarmTopicArn", TOPIC),
        ("ClusterArn", CLUSTER),
    ];
    Template::with("halts.yaml", &[&given[..], other].concat())
}

/// A task of the service that ended, as ECS says it.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>
pub fn ended(exit_code: i64, deployment: &str) -> Value {
    let task = "arn:aws:ecs:us-east-1:123456789012:task/headwater/4c0d2b7a9d6e4f0c8a51b3e2f7d60911";
    json!({
        "version": "0",
        "id": "8f2c7c0e-5d0b-4b8e-9a53-1f6f0a7d3c11",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-01-01T00:00:42Z",
        "region": "us-east-1",
        "resources": [task],
        "detail": {
            "attachments": [{
                "id": "0c0e4d9d-22e9-4f5b-8b2f-0d6b3c6f5a2e",
                "type": "eni",
                "status": "DELETED",
                "details": [{"name": "privateIPv4Address", "value": "10.0.1.17"}],
            }],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
            "availabilityZone": "us-east-1a",
            "clusterArn": CLUSTER,
            "containers": [{
                "containerArn": "arn:aws:ecs:us-east-1:123456789012:container/headwater/4c0d/5f1e",
                "exitCode": exit_code,
                "lastStatus": "STOPPED",
                "name": "headwater",
                "image": "registry.example/headwater@sha256:0000",
                "runtimeId": "4c0d2b7a9d6e4f0c8a51b3e2f7d60911-0527074092",
                "taskArn": task,
                "networkInterfaces": [],
                "cpu": "0",
            }],
            "connectivity": "CONNECTED",
            "createdAt": "2026-01-01T00:00:00Z",
            "desiredStatus": "STOPPED",
            "enableExecuteCommand": false,
            "group": "service:headwater-shop",
            "launchType": "FARGATE",
            "lastStatus": "STOPPED",
            "overrides": {"containerOverrides": [{"name": "headwater"}]},
            "platformVersion": "1.4.0",
            "startedBy": deployment,
            "stopCode": "EssentialContainerExited",
            "stoppedAt": "2026-01-01T00:00:42Z",
            "stoppedReason": "Essential container in task exited",
            "taskArn": task,
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/headwater-shop:7",
            "updatedAt": "2026-01-01T00:00:42Z",
            "version": 6,
        },
    })
}

/// The event with another value, or without one.
fn but(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(members), Value::Null) => drop(members.remove(key).unwrap()),
        (Value::Object(members), value) => drop(members.insert(key.to_owned(), value).unwrap()),
        (other, _) => panic!("{other} has no {key}"),
    }
    event
}

/// Whether a rule takes an event, by as much of EventBridge's patterns as stands in the templates: each key of the
/// pattern is there, and its value among those listed; of an array one element is enough.
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>
fn takes(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (_, Value::Array(elements)) => elements.iter().any(|element| takes(pattern, element)),
        (Value::Object(keys), Value::Object(members)) => keys.iter().all(|(key, pattern)| {
            let member = members.get(key);
            member.is_some_and(|member| takes(pattern, member))
        }),
        (Value::Array(values), event) => {
            let is_plain = |value: &Value| !value.is_object() && !value.is_array();
            assert!(values.iter().all(is_plain), "{pattern} is not known here");
            values.contains(event)
        }
        (Value::Object(_), _) => false,
        (other, _) => panic!("{other} is no pattern"),
    }
}

fn rule(name: &str) -> Value {
    halts(&[]).properties(name)["EventPattern"].clone()
}

fn is_told(event: &Value) -> bool {
    takes(&rule("Halts"), event)
}

fn asks(event: &Value) -> bool {
    takes(&rule("DefiniteHalts"), event)
}

#[test]
fn a_halt_and_refused_settings_are_told_and_ask() {
    for exit in [Exit::Halted, Exit::Usage] {
        let event = ended(exit as i64, "ecs-svc/1");
        assert!(is_told(&event) && asks(&event), "{exit:?}");
    }
}

#[test]
fn a_kill_is_told_and_does_not_ask() {
    let killed = ended(137, "ecs-svc/1");
    assert!(is_told(&killed) && !asks(&killed));
}

#[test]
fn a_drain_is_neither_told_nor_asks_whether_it_ended_in_time_or_not() {
    for exit in [Exit::Success, Exit::GraceOver] {
        let event = ended(exit as i64, "ecs-svc/1");
        assert!(!is_told(&event) && !asks(&event), "{exit:?}");
    }
    // SIGTERM, and the signal's own code.
    assert!(!asks(&ended(143, "ecs-svc/1")));
}

#[test]
fn what_ecs_or_a_person_stopped_does_not_ask() {
    for code in [
        "ServiceSchedulerInitiated",
        "UserInitiated",
        "TerminationNotice",
    ] {
        let event = but(ended(1, "ecs-svc/1"), "/detail/stopCode", Value::from(code));
        assert!(!asks(&event), "{code}");
    }
}

#[test]
fn other_services_tasks_clusters_and_states_are_not_taken() {
    let halt = || ended(1, "ecs-svc/1");
    let others = [
        ("/detail/group", json!("service:headwater-shop2")),
        // A task with another command: check.
        ("/detail/group", json!("family:headwater-shop")),
        (
            "/detail/clusterArn",
            json!("arn:aws:ecs:us-east-1:123456789012:cluster/other"),
        ),
        ("/detail/lastStatus", json!("DEPROVISIONING")),
        ("/detail-type", json!("ECS Service Action")),
        ("/source", json!("custom.ecs")),
        ("/detail/containers", json!([])),
        // It never started: no image, no secret.
        (
            "/detail/containers",
            json!([{"name": "headwater", "lastStatus": "STOPPED"}]),
        ),
    ];
    for (pointer, value) in others {
        let event = but(halt(), pointer, value.clone());
        assert!(!is_told(&event) && !asks(&event), "{pointer}: {value}");
    }
    assert!(!asks(&but(halt(), "/detail/stopCode", Value::Null)));
}

/// In ECS's service and in the container's restarts the same ends count as halts.
#[test]
fn what_asks_is_not_restarted_in_place() {
    let container = crate::service::container(&crate::service::service(&[]));
    let ignored = container["RestartPolicy"]["IgnoredExitCodes"]
        .as_array()
        .unwrap();
    let codes = rule("DefiniteHalts")["detail"]["containers"]["exitCode"].clone();
    let codes = codes.as_array().unwrap();
    assert_eq!(codes, &[json!(1), json!(2)]);
    assert!(codes.iter().all(|code| ignored.contains(code)));
}

#[test]
fn it_can_be_switched_off_and_then_only_tells() {
    let off = halts(&[("StopWhenHalted", "false")]);
    assert!(off.has("Halts"));
    for resource in [
        "DefiniteHalts",
        "RepeatedHalts",
        "StarterRole",
        "StopperRole",
        "Stopper",
    ] {
        assert!(halts(&[]).has(resource), "{resource} is off by default");
        assert!(!off.has(resource), "{resource}");
    }
    let told = |template: &Template| {
        let target = template.properties("Halts")["Targets"][0].clone();
        target["InputTransformer"]["InputTemplate"].clone()
    };
    let (on, off) = (told(&halts(&[])), told(&off));
    assert!(on.as_str().unwrap().contains("the service is stopped"));
    assert!(!off.as_str().unwrap().contains("the service is stopped"));
    for told in [on, off] {
        let text = told.as_str().unwrap();
        assert!(text.starts_with('"') && text.trim_end().ends_with(".\""));
    }
}

/// The alarm counts what the rule hands on, and is asked for by the name that it has.
#[test]
fn the_alarms_that_it_asks_for_exist() {
    let template = halts(&[]);
    let repeated = template.properties("RepeatedHalts");
    assert_eq!(repeated["Namespace"], "AWS/Events");
    assert_eq!(
        repeated["Dimensions"],
        json!([{"Name": "RuleName", "Value": "DefiniteHalts"}])
    );
    assert_eq!(repeated["TreatMissingData"], "notBreaching");
    let alarms = Template::with("alarms.yaml", &[("Name", "shop"), ("AlarmTopicArn", TOPIC)]);
    let streaming = alarms.properties("NotStreaming");
    let asked = &template.properties("Stopper")["Definition"]["States"]["Alarms"]["Parameters"];
    assert_eq!(
        asked["AlarmNames"],
        json!([streaming["AlarmName"], repeated["AlarmName"]])
    );
}

/// What a state calls, as IAM names it: of an SDK's call its own name.
fn action(resource: &str) -> String {
    let parts: Vec<_> = resource.split(':').collect();
    let (service, operation) = match parts[..] {
        [
            "arn",
            "aws",
            "states",
            "",
            "",
            "aws-sdk",
            service,
            operation,
        ]
        | ["arn", "aws", "states", "", "", service, operation] => (service, operation),
        _ => panic!("{resource} is not known here"),
    };
    let (first, rest) = operation.split_at(1);
    format!("{service}:{}{rest}", first.to_uppercase())
}

#[test]
fn who_stops_may_do_what_it_calls_on_what_it_calls_and_no_more() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1";
    let template = halts(&[("KmsKeyArn", key)]);
    let definition = &template.properties("Stopper")["Definition"];
    let called: BTreeSet<_> = objects(definition)
        .into_iter()
        .filter_map(|state| state.get("Resource"))
        .map(|resource| action(resource.as_str().unwrap()))
        .collect();

    let statements = |role: &str| {
        let policies = template.properties(role)["Policies"].clone();
        policies[0]["PolicyDocument"]["Statement"].clone()
    };
    let service = "arn:aws:ecs:us-east-1:123456789012:service/headwater/headwater-shop";
    let alarm = |name: &str| {
        format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:headwater-shop-{name}")
    };
    let expected = json!([
        {"Sid": "Service", "Effect": "Allow", "Action": ["ecs:DescribeServices", "ecs:UpdateService"], "Resource": service},
        {"Sid": "Alarms", "Effect": "Allow", "Action": "cloudwatch:DescribeAlarms",
            "Resource": [alarm("not-streaming"), alarm("halts")]},
        {"Sid": "Tell", "Effect": "Allow", "Action": "sns:Publish", "Resource": TOPIC},
        // SNS asks for it in the caller's name.
        {"Sid": "EncryptedTopic", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key,
            "Condition": {"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}}},
    ]);
    let stopper = statements("StopperRole");
    assert_eq!(stopper, expected);
    let mut allowed: BTreeSet<_> = stopper
        .as_array()
        .unwrap()
        .iter()
        .flat_map(crate::rights::actions)
        .collect();
    allowed.retain(|action| !action.starts_with("kms:"));
    assert_eq!(called, allowed);

    assert_eq!(
        statements("StarterRole"),
        json!([{"Effect": "Allow", "Action": "states:StartExecution", "Resource": "Stopper"}])
    );
    let target = &template.properties("DefiniteHalts")["Targets"][0];
    assert_eq!(target["Arn"], "Stopper");
    assert_eq!(target["RoleArn"], "StarterRole.Arn");

    let page = crate::read("docs/aws.md");
    for action in allowed {
        assert!(
            page.contains(&format!("`{action}`")),
            "docs/aws.md lacks {action}"
        );
    }
    // A topic without a key of its own needs none of it.
    let plain = halts(&[]).properties("StopperRole");
    assert!(!plain.to_string().contains("kms:"));
}
