//! The state machine of halts.yaml, carried out by moto between its ECS, CloudWatch and SNS: when the service is stopped,
//! when it is left alone, and what is said of it.

use anyhow::{Context, ensure};
use headwater_harness::{aws::JsonService, moto::Moto, wait::Deadline};
use serde_json::{Value, json};

use crate::{
    WITHIN,
    halts::{CLUSTER, TOPIC, ended, halts},
};

const SERVICE: &str = "headwater-shop";
const ALARMS: [&str; 2] = ["headwater-shop-not-streaming", "headwater-shop-halts"];

/// ECS's members as moto's interpreter hands them over, as botocore spells them. Step Functions spells all members with
/// a capital.
fn as_moto_spells_it(definition: &Value) -> Value {
    let mut definition = definition.clone();
    let states = definition["States"].as_object_mut().unwrap();
    let of_ecs = |state: &&mut Value| {
        let resource = state.get("Resource").and_then(Value::as_str);
        resource.is_some_and(|resource| resource.contains(":ecs:"))
    };
    for state in states.values_mut().filter(|state| of_ecs(state)) {
        let parameters = state["Parameters"].as_object().unwrap().iter();
        state["Parameters"] = parameters
            .map(|(name, value)| (name[..1].to_lowercase() + &name[1..], value.clone()))
            .collect();
    }
    let mut text = definition.to_string();
    for (stepfunctions, botocore) in [
        (".Services", ".services"),
        (".Deployments", ".deployments"),
        (".DesiredCount", ".desiredCount"),
        ("@.Status", "@.status"),
        ("].Id", "].id"),
    ] {
        assert!(text.contains(stepfunctions), "{stepfunctions}: {text}");
        text = text.replace(stepfunctions, botocore);
    }
    serde_json::from_str(&text).unwrap()
}

/// A service of two tasks, its alarms, a topic with a queue behind it.
struct World {
    moto: Moto,
    ecs: JsonService,
    queue: String,
    /// What the service's tasks are started by.
    deployment: String,
    machines: usize,
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        let moto = Moto::start().await?;
        moto.run_state_machines().await?;
        let ecs = JsonService::ecs(&moto.endpoint());
        let cluster = json!({"clusterName": "headwater"});
        ecs.call("CreateCluster", &cluster).await?;
        let definition = json!({
            "family": SERVICE,
            "containerDefinitions": [{"name": "headwater", "image": "headwater", "memory": 512}],
        });
        ecs.call("RegisterTaskDefinition", &definition).await?;
        let service = json!({
            "cluster": CLUSTER,
            "serviceName": SERVICE,
            "taskDefinition": SERVICE,
            "desiredCount": 2,
        });
        let made = ecs.call("CreateService", &service).await?;
        let deployment = made["service"]["deployments"][0]["id"].as_str();
        let deployment = deployment.context("a deployment")?.to_owned();

        for name in ALARMS {
            let alarm = [
                ("Action", "PutMetricAlarm"),
                ("Version", "2010-08-01"),
                ("AlarmName", name),
                ("Namespace", "n"),
                ("MetricName", "m"),
                ("Statistic", "Sum"),
                ("Period", "60"),
                ("EvaluationPeriods", "1"),
                ("Threshold", "0"),
                ("ComparisonOperator", "GreaterThanThreshold"),
            ];
            moto.query("monitoring", &alarm).await?;
        }
        let topic = [
            ("Action", "CreateTopic"),
            ("Version", "2010-03-31"),
            ("Name", "headwater"),
        ];
        moto.query("sns", &topic).await?;
        let sqs = JsonService::sqs(&moto.endpoint());
        let queue = json!({"QueueName": "oncall"});
        let queue = sqs.call("CreateQueue", &queue).await?;
        let subscription = [
            ("Action", "Subscribe"),
            ("Version", "2010-03-31"),
            ("TopicArn", TOPIC),
            ("Protocol", "sqs"),
            ("Endpoint", "arn:aws:sqs:us-east-1:123456789012:oncall"),
        ];
        moto.query("sns", &subscription).await?;
        Ok(Self {
            ecs,
            queue: queue["QueueUrl"].as_str().context("a queue")?.to_owned(),
            deployment,
            moto,
            machines: 0,
        })
    }

    /// These are raised, the others not.
    async fn alarms(&self, raised: &[&str]) -> anyhow::Result<()> {
        for name in ALARMS {
            let state = match raised.contains(&name) {
                true => "ALARM",
                false => "OK",
            };
            let set = [
                ("Action", "SetAlarmState"),
                ("Version", "2010-08-01"),
                ("AlarmName", name),
                ("StateValue", state),
                ("StateReason", "the test says so"),
            ];
            self.moto.query("monitoring", &set).await?;
        }
        Ok(())
    }

    /// Carries a definition out for an event; its own failure is an error.
    async fn carry_out(&mut self, definition: &Value, event: &Value) -> anyhow::Result<()> {
        self.machines += 1;
        let service = JsonService::step_functions(&self.moto.endpoint());
        let machine = json!({
            "name": format!("stop-{}", self.machines),
            "definition": as_moto_spells_it(definition).to_string(),
            "roleArn": "arn:aws:iam::123456789012:role/stopper",
        });
        let machine = service.call("CreateStateMachine", &machine).await?;
        let start = json!({
            "stateMachineArn": machine["stateMachineArn"],
            "input": event.to_string(),
        });
        let started = service.call("StartExecution", &start).await?;
        // Its history: of an execution that ends just now moto's description fails.
        let which = json!({"executionArn": started["executionArn"]});
        let deadline = Deadline::after(WITHIN, "the state machine to end");
        loop {
            let history = service.call("GetExecutionHistory", &which).await?;
            let last = history["events"]
                .as_array()
                .and_then(|events| events.last());
            match last.and_then(|event| event["type"].as_str()) {
                Some("ExecutionSucceeded") => return Ok(()),
                Some("ExecutionFailed") => anyhow::bail!("{}", history["events"]),
                _ => deadline.pause().await?,
            }
        }
    }

    async fn halt(&mut self) -> anyhow::Result<()> {
        let event = ended(1, &self.deployment);
        self.carry_out(&definition(), &event).await
    }

    async fn count(&self) -> anyhow::Result<u64> {
        let which = json!({"cluster": CLUSTER, "services": [SERVICE]});
        let found = self.ecs.call("DescribeServices", &which).await?;
        found["services"][0]["desiredCount"]
            .as_u64()
            .with_context(|| found.to_string())
    }

    /// Subjects and texts that came since the last question.
    async fn told(&self) -> anyhow::Result<Vec<(String, String)>> {
        let sqs = JsonService::sqs(&self.moto.endpoint());
        let mut told = Vec::new();
        loop {
            let from = json!({"QueueUrl": self.queue, "WaitTimeSeconds": 0});
            let received = sqs.call("ReceiveMessage", &from).await?;
            let Some(message) = received["Messages"].get(0) else {
                return Ok(told);
            };
            let body: Value = serde_json::from_str(message["Body"].as_str().context("a body")?)?;
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            told.push((text("Subject"), text("Message")));
            let done = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
            sqs.call("DeleteMessage", &done).await?;
        }
    }
}

fn definition() -> Value {
    halts(&[]).properties("Stopper")["Definition"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_only_halts_is_stopped_once_and_told_of_once() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.alarms(&ALARMS).await?;
    world.halt().await?;
    ensure!(world.count().await? == 0);
    let told = world.told().await?;
    let [(subject, text)] = &told[..] else {
        anyhow::bail!("{told:?}");
    };
    ensure!(subject == "Headwater shop was stopped", "{subject}");
    let again = format!(
        "aws ecs update-service --region us-east-1 --cluster {CLUSTER} --service {SERVICE} --desired-count 2"
    );
    ensure!(text.ends_with(&again), "{text}");
    let task = ended(1, "")["detail"]["taskArn"].clone();
    for word in [task.as_str().context("a task")?, "/headwater/shop"] {
        ensure!(text.contains(word), "{text}");
    }

    // The other task halted too, before it was stopped.
    world.halt().await?;
    ensure!(world.count().await? == 0);
    let told = world.told().await?;
    ensure!(told.is_empty(), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_left_alone_while_any_process_streams_or_halts_are_few() -> anyhow::Result<()>
{
    let mut world = World::start().await?;
    for raised in [&[][..], &ALARMS[..1], &ALARMS[1..]] {
        world.alarms(raised).await?;
        world.halt().await?;
        ensure!(world.count().await? == 2, "{raised:?}");
    }
    // Without alarms.yaml nobody knows whether anything streams.
    world.alarms(&ALARMS).await?;
    let gone = [
        ("Action", "DeleteAlarms"),
        ("Version", "2010-08-01"),
        ("AlarmNames.member.1", ALARMS[0]),
    ];
    world.moto.query("monitoring", &gone).await?;
    world.halt().await?;
    ensure!(world.count().await? == 2);
    let told = world.told().await?;
    ensure!(told.is_empty(), "{told:?}");
    Ok(())
}

/// Somebody deploys the cure, and the old tasks halt on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_halt_of_what_another_deployment_replaces_stops_nothing() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.alarms(&ALARMS).await?;
    let event = ended(1, "ecs-svc/1");
    world.carry_out(&definition(), &event).await?;
    ensure!(world.count().await? == 2);
    let told = world.told().await?;
    ensure!(told.is_empty(), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_could_not_be_stopped_is_told_with_what_to_do() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.alarms(&ALARMS).await?;
    for (state, wrong) in [
        ("Service", json!({"Cluster": "none", "Services": [SERVICE]})),
        ("Stop", json!({"Cluster": CLUSTER, "Service": "none"})),
    ] {
        let mut definition = definition();
        let broken = definition["States"][state].as_object_mut();
        let broken = broken.context("the state")?;
        broken.insert("Parameters".to_owned(), wrong);
        // Its pauses are all that this leaves out.
        broken.remove("Retry").context("it is tried again")?;
        let event = ended(1, &world.deployment);
        let ended = world.carry_out(&definition, &event).await;
        ensure!(ended.is_err(), "{state}: it says that all is well");
        ensure!(world.count().await? == 2, "{state}");
        let told = world.told().await?;
        let [(subject, text)] = &told[..] else {
            anyhow::bail!("{state}: {told:?}");
        };
        ensure!(
            subject == "Headwater shop could not be stopped",
            "{subject}"
        );
        ensure!(text.contains("--desired-count 0"), "{text}");
    }
    Ok(())
}

#[test]
fn every_call_is_tried_again_and_its_failure_told() {
    let definition = definition();
    let states = definition["States"].as_object().unwrap();
    let calls = states.iter().filter(|(_, state)| state["Type"] == "Task");
    for (name, call) in calls.filter(|(name, _)| !name.starts_with("Tell")) {
        assert!(call["Retry"].is_array(), "{name}");
        assert_eq!(call["Catch"][0]["Next"], "TellFailure", "{name}");
    }
}
