//! What the sinks behind an AWS stream share: connect, describe, start the batches.
//!
//! Only the API differs: which calls, which limits, what an entry's error means. All of it runs on the runtime that
//! the caller names, because connections live where they were opened.

mod options;

use std::{future::Future, io, marker::PhantomData, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink, Throttled},
    },
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::OnceCell,
};

use super::{
    StreamDescription,
    batch::{InFlight, Limits, PutBatch, driver::BatchSink},
};
use crate::{
    aws::{self, Action, AwsPlan},
    lease::gate::LeaseGate,
};

pub use self::options::{Service, StreamOptions, StreamPlan};

const THREADS: usize = 2;
/// So many calls are in flight at once, however large they are.
const CALLS_MIN: usize = 4;

/// The stream API of one AWS service.
pub trait StreamApi: PutBatch + Sized {
    const SERVICE: Service;

    fn new(config: &SdkConfig, stream: Arc<str>) -> Self;

    /// A stream that is missing is definite; one that is being created or deleted is transient.
    fn describe(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<StreamDescription, Failure>> + Send;

    /// Calls the operation that writes with what it can never take, and says whether the role may call it.
    fn try_put(&self, timeout: Duration) -> impl Future<Output = Result<String, Failure>> + Send;
}

/// What all streams of one process share: threads, the SDK's configuration, and the bytes in flight at once.
pub struct Streams {
    runtime: Handle,
    config: OnceCell<SdkConfig>,
    in_flight: InFlight,
    /// Behind [`Streams::start`]. Must outlive the sinks: their calls run on it.
    _own: Option<Runtime>,
}

impl Streams {
    /// With threads of their own, which end when this is dropped.
    pub fn start(in_flight_bytes_max: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("aws")
            .enable_all()
            .build()?;
        let streams = Self::new(runtime.handle(), in_flight_bytes_max);
        Ok(Self {
            _own: Some(runtime),
            ..streams
        })
    }

    /// `in_flight_bytes_max` is that of all streams together.
    pub fn new(runtime: &Handle, in_flight_bytes_max: usize) -> Self {
        Self {
            runtime: runtime.clone(),
            config: OnceCell::new(),
            in_flight: InFlight::new(in_flight_bytes_max),
            _own: None,
        }
    }

    /// No call starts but through this gate.
    #[must_use]
    pub fn behind(mut self, gate: LeaseGate) -> Self {
        self.in_flight = self.in_flight.behind(gate);
        self
    }

    async fn config(&self, plan: &AwsPlan) -> Result<SdkConfig, Failure> {
        // Boxed: the SDK's future is large.
        let configuring = || Box::pin(aws::configure(plan));
        let config = self.config.get_or_try_init(configuring).await?;
        Ok(config.clone())
    }
}

/// A sink that puts batches into a stream of `A`.
pub struct StreamSink<A> {
    batch: BatchSink,
    api: PhantomData<fn() -> A>,
}

impl<A: StreamApi> StreamSink<A> {
    /// Asks for the stream and starts the sink on `runtime`. A missing stream is definite; one that is being
    /// created or deleted is transient.
    pub async fn connect(
        plan: &StreamPlan,
        streams: &Streams,
    ) -> Result<(Self, StreamDescription), Failure> {
        let config = streams.config(&plan.aws).await?;
        Self::start(config, plan, &streams.runtime, streams.in_flight.clone()).await
    }

    /// The same with a configuration of the SDK that is there already; the plan's `aws` is not read.
    pub async fn connect_with(
        config: SdkConfig,
        plan: &StreamPlan,
        runtime: &Handle,
    ) -> Result<(Self, StreamDescription), Failure> {
        let in_flight = InFlight::new(plan.in_flight_bytes_max);
        Self::start(config, plan, runtime, in_flight).await
    }

    async fn start(
        config: SdkConfig,
        plan: &StreamPlan,
        runtime: &Handle,
        in_flight: InFlight,
    ) -> Result<(Self, StreamDescription), Failure> {
        let (api, description) = open::<A>(config, plan, runtime).await?;
        let call_bytes = plan.call_bytes.clamp(1, A::SERVICE.call_bytes_max);
        let limits = Limits {
            entries_max: A::SERVICE.entries_max,
            call_bytes,
            in_flight_bytes_max: plan.in_flight_bytes_max,
            calls_max: (plan.in_flight_bytes_max / call_bytes).max(CALLS_MIN),
            shard: A::SERVICE.whole_stream.map(Into::into),
        };
        let batch = BatchSink::start(
            runtime,
            api,
            (limits, in_flight),
            plan.call_timeout,
            description.record_bytes_max,
        );
        let sink = Self {
            batch,
            api: PhantomData,
        };
        Ok((sink, description))
    }

    /// Asks for the stream only: for `check`.
    pub async fn describe(
        plan: &StreamPlan,
        streams: &Streams,
    ) -> Result<StreamDescription, Failure> {
        let config = streams.config(&plan.aws).await?;
        let (_, description) = open::<A>(config, plan, &streams.runtime).await?;
        Ok(description)
    }

    /// Whether the role may write; nothing is written.
    pub async fn try_put(plan: &StreamPlan, streams: &Streams) -> Result<String, Failure> {
        let config = streams.config(&plan.aws).await?;
        let (stream, timeout) = (plan.stream.as_str().into(), plan.call_timeout);
        let trying = streams
            .runtime
            .spawn(async move { A::new(&config, stream).try_put(timeout).await });
        trying.await.unwrap_or_else(|error| {
            Err(Failure::transient(format!("connect to {}", A::SERVICE.name)).because(error))
        })
    }
}

impl<A: StreamApi> Sink for StreamSink<A> {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        self.batch.deliver(record)
    }

    fn prepare(&self, record: &Record) {
        self.batch.prepare(record.clone());
    }

    fn throttled(&self) -> Option<Throttled> {
        self.batch.throttled()
    }

    fn record_bytes_max(&self) -> usize {
        self.batch.record_bytes_max()
    }
}

async fn open<A: StreamApi>(
    config: SdkConfig,
    plan: &StreamPlan,
    runtime: &Handle,
) -> Result<(A, StreamDescription), Failure> {
    let stream = plan.stream.as_str().into();
    let timeout = plan.call_timeout;
    let opening = runtime.spawn(async move {
        let api = A::new(&config, stream);
        let description = api.describe(timeout).await?;
        Ok((api, description))
    });
    opening.await.unwrap_or_else(|error| {
        Err(Failure::transient(format!("connect to {}", A::SERVICE.name)).because(error))
    })
}

/// What the answer to a call that can never be taken says of the permission to make it. AWS documents no order in
/// which it looks at a permission and at a request; `proof` is the word that only the operation itself says, behind
/// the permission, where there is one.
pub fn permission(
    answer: Result<(), Failure>,
    action: Action<'_>,
    proof: Option<&str>,
) -> Result<String, Failure> {
    const OF_THE_REQUEST: [&str; 3] = [
        "InvalidArgumentException",
        "SerializationException",
        "ValidationException",
    ];
    let Action { iam, kind, name } = action;
    let unproven = format!(
        "{iam} on {kind} \"{name}\" cannot be proven without writing a record; the role needs it"
    );
    match answer {
        Err(failure) if proof.is_some_and(|proof| failure.is_aws(proof)) => {
            Ok(format!("{iam} on {kind} \"{name}\" is allowed"))
        }
        Err(failure) if OF_THE_REQUEST.iter().any(|word| failure.is_aws(word)) => Ok(unproven),
        Err(failure) if failure.is_definite() => Err(failure),
        Ok(()) | Err(_) => Ok(unproven),
    }
}

/// The answer to a request at start, within `timeout`.
pub async fn answer<T, E>(
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    action: Action<'_>,
    timeout: Duration,
) -> Result<T, Failure>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    tokio::time::timeout(timeout, request)
        .await
        .map_err(|_| action.late(timeout))?
        .map_err(|error| aws::judge_at_start(&error, action))
}

#[cfg(test)]
mod tests {
    use headwater_actors::failure::Code;

    use super::*;

    fn judged(answer: Result<(), Failure>, proof: Option<&str>) -> Result<String, Failure> {
        let action = Action {
            iam: "kinesis:PutRecords",
            kind: "stream",
            name: "cdc",
        };
        permission(answer, action, proof)
    }

    fn said(word: &str) -> Result<(), Failure> {
        Err(Failure::definite("no").with_code(Code::Aws(word.to_owned())))
    }

    #[test]
    fn a_permission_is_proven_by_the_operation_itself_and_never_by_an_answer_that_could_come_before()
     {
        let proof = Some("InvalidArgumentException");
        let proven = judged(said("InvalidArgumentException"), proof).expect("allowed");
        assert!(proven.ends_with("is allowed"), "{proven}");
        for (answer, proof) in [
            (said("ValidationException"), proof),
            (said("InvalidArgumentException"), None),
            (Err(Failure::transient("a network")), proof),
            (Ok(()), proof),
        ] {
            let text = judged(answer, proof).expect("not refused either");
            assert!(text.contains("cannot be proven"), "{text}");
        }
        let refused = judged(said("AccessDeniedException"), proof);
        assert!(refused.is_err_and(|failure| failure.is_definite()));
    }
}
