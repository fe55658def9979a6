//! The task definition and the service: the settings are a plan, and the times, ports and files fit the program.

use serde_json::{Value, json};

use crate::{plan, port, read, template::Template};

/// What has no default.
pub const GIVEN: [(&str, &str); 10] = [
    ("Name", "shop"),
    ("Image", "registry.example/headwater@sha256:0000"),
    (
        "ClusterArn",
        "arn:aws:ecs:us-east-1:123456789012:cluster/headwater",
    ),
    ("VpcId", "vpc-1"),
    ("SubnetIds", "subnet-1,subnet-2"),
    ("DatabaseHost", "shop.abc123.us-east-1.rds.amazonaws.com"),
    (
        "PasswordSecretArn",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-1",
    ),
    ("StreamName", "changes"),
    ("CheckpointTable", "headwater"),
    ("KmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/1"),
];

/// With more parameters, or other ones.
pub fn service(other: &[(&str, &str)]) -> Template {
    let is_other = |name: &str| other.iter().any(|(other, _)| *other == name);
    let kept = GIVEN.into_iter().filter(|(name, _)| !is_other(name));
    Template::with(
        "service.yaml",
        &kept.chain(other.iter().copied()).collect::<Vec<_>>(),
    )
}

pub fn container(service: &Template) -> Value {
    service.properties("TaskDefinition")["ContainerDefinitions"][0].clone()
}

/// The text of HEADWATER_CONFIG.
pub fn settings(service: &Template) -> String {
    let container = container(service);
    let variables = container["Environment"].as_array().unwrap();
    let found = variables
        .iter()
        .find(|variable| variable["Name"] == "HEADWATER_CONFIG");
    found.unwrap()["Value"].as_str().unwrap().to_owned()
}

#[test]
fn the_settings_of_a_task_are_a_plan() {
    let plan = plan(&settings(&service(&[])));
    assert_eq!(plan.name, "shop");
    assert!(plan.telemetry.cloudwatch.is_some(), "alarms need it");
    let firehose = service(&[("StreamName", ""), ("DeliveryStreamName", "changes")]);
    let plan = crate::plan(&settings(&firehose));
    assert!(
        format!("{:?}", plan.sink).contains("Firehose"),
        "{:?}",
        plan.sink
    );
}

#[test]
fn further_settings_join_the_others() {
    let more = "errors.oversize = \"park_table\"\nsource.heartbeat_secs = 3\n\
        [[routes]]\ntables = [\"shop.orders\"]\nsink.kinesis.stream = \"orders\"\n";
    let tables = "shop.*,!shop.audit";
    let text = settings(&service(&[("ExtraSettings", more), ("Tables", tables)]));
    assert!(
        text.contains(r#"source.tables = ["shop.*", "!shop.audit"]"#),
        "{text}"
    );
    assert_eq!(plan(&text).routes.len(), 1);
}

#[test]
fn a_drain_has_the_time_that_it_needs() {
    let limit = container(&service(&[]))["StopTimeout"].as_u64().unwrap();
    assert!(limit <= 120, "Fargate allows no more");
    let body = crate::yaml::file("deploy/cloudformation/service.yaml");
    let longest = body["Parameters"]["GraceSecs"]["MaxValue"]
        .as_u64()
        .unwrap();
    for grace in [
        longest.to_string(),
        body["Parameters"]["GraceSecs"]["Default"].to_string(),
    ] {
        let plan = plan(&settings(&service(&[("GraceSecs", &grace)])));
        assert!(plan.shutdown_grace.as_secs() + 15 <= limit, "{grace}");
    }
}

/// 0, 1 and 2 are the documented ends that a restart in place does not cure.
#[test]
fn a_halt_is_not_restarted_in_place() {
    let container = container(&service(&[]));
    assert_eq!(
        container["RestartPolicy"]["IgnoredExitCodes"],
        json!([0, 1, 2])
    );
    let page = read("README.md");
    assert!(
        page.contains("Exit codes: 0 drained, 1 halted"),
        "the codes are others now"
    );
}

#[test]
fn two_tasks_overlap_in_a_deployment_and_one_never_does() {
    for (tasks, limits) in [("2", (100, 200)), ("1", (0, 100)), ("0", (0, 100))] {
        let service = service(&[("Tasks", tasks)]).properties("Service");
        let deployment = &service["DeploymentConfiguration"];
        let found = (
            &deployment["MinimumHealthyPercent"],
            &deployment["MaximumPercent"],
        );
        assert_eq!(found, (&json!(limits.0), &json!(limits.1)), "{tasks}");
        assert_eq!(deployment["Strategy"], "ROLLING");
        assert_eq!(service["DeploymentController"]["Type"], "ECS");
        assert_eq!(
            deployment["DeploymentCircuitBreaker"],
            json!({"Enable": true, "Rollback": true})
        );
    }
}

#[test]
fn a_task_runs_what_the_image_has() {
    let container = container(&service(&[]));
    let dockerfile = read("Dockerfile");
    assert_eq!(container["User"], "65532:65532");
    assert!(dockerfile.contains("USER 65532:65532"));
    assert_eq!(container["ReadonlyRootFilesystem"], true);
    assert_eq!(container["Command"], json!(["run"]));
    let check = &container["HealthCheck"]["Command"];
    assert_eq!(check, &json!(["CMD", "/usr/local/bin/headwater", "health"]));
    assert!(dockerfile.contains(r#"["/usr/local/bin/headwater", "health"]"#));
    assert!(dockerfile.contains(&format!("EXPOSE {}", port())));
    assert!(dockerfile.contains(&format!("HEADWATER__TELEMETRY__LISTEN=0.0.0.0:{}", port())));
    // Of a command in the container, as ECS counts it.
    assert!(container["HealthCheck"]["Timeout"].as_u64() >= Some(5));
}

/// Read by the program itself, so that a rotation needs no other task.
#[test]
fn the_password_is_named_and_never_a_text_of_the_task() {
    let secret = GIVEN
        .iter()
        .find(|(name, _)| *name == "PasswordSecretArn")
        .unwrap()
        .1;
    for (key, from) in [
        ("password", format!("{secret}:password::")),
        ("", secret.to_owned()),
    ] {
        let text = settings(&service(&[("PasswordSecretKey", key)]));
        assert!(
            text.contains(&format!("source.password_secret = \"{from}\"")),
            "{text}"
        );
        plan(&text);
    }
    let iam = [("PasswordSecretArn", ""), ("DatabaseResourceId", "db-ABC")];
    let text = settings(&service(&iam));
    assert!(
        text.contains("source.auth = \"rds_iam\"") && !text.contains("password"),
        "{text}"
    );
    plan(&text);
    assert_eq!(container(&service(&[])).get("Secrets"), None);
}

#[test]
fn what_exists_already_is_not_created_again() {
    let own = Template::with(
        "foundation.yaml",
        &[
            ("KmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/1"),
            (
                "ClusterArn",
                "arn:aws:ecs:us-east-1:123456789012:cluster/own",
            ),
        ],
    );
    assert!(!own.has("Key") && !own.has("Cluster") && !own.has("AlarmSubscription"));
    let fresh = Template::with("foundation.yaml", &[("AlarmEmail", "a@example.com")]);
    assert!(fresh.has("Key") && fresh.has("Cluster") && fresh.has("AlarmSubscription"));

    let group = service(&[
        ("SecurityGroupId", "sg-1"),
        ("DatabaseSecurityGroupId", "sg-2"),
    ]);
    assert!(!group.has("SecurityGroup") && group.has("DatabaseIngress"));
    assert_eq!(
        group.properties("DatabaseIngress")["SourceSecurityGroupId"],
        "sg-1"
    );

    let topic = (
        "AlarmTopicArn",
        "arn:aws:sns:us-east-1:123456789012:headwater",
    );
    let key = ("KmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/1");
    let stream = (
        "StreamArn",
        "arn:aws:kinesis:us-east-1:123456789012:stream/own",
    );
    let delivery = Template::with("delivery.yaml", &[topic, key, stream]);
    assert!(!delivery.has("Stream") && delivery.has("ToBucket") && !delivery.has("ToRedshift"));
    let redshift = [
        ("RedshiftJdbcUrl", "jdbc:redshift://host:5439/dev"),
        (
            "RedshiftSecretArn",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:r-1",
        ),
    ];
    let delivery = Template::with("delivery.yaml", &[&[topic, key], &redshift[..]].concat());
    assert!(delivery.has("Stream") && delivery.has("ToRedshift"));
    let stream = delivery.properties("Stream");
    assert_eq!(stream["StreamEncryption"]["EncryptionType"], "KMS");
    assert_eq!(
        stream.get("ShardCount"),
        None,
        "a stream on demand has none"
    );
}
