//! The sink's part of the plan, with the limits that AWS sets.

use std::{path::PathBuf, time::Duration};

use super::{
    AwsPlan, CheckpointPlan, Error, FilePlan, FirehosePlan, KinesisPlan, SinkPlan, StorePlan,
    values::{choose, duration_secs, number, optional},
};
use crate::{
    lease::Span,
    settings::{Settings, SinkSettings},
};

/// PutRecords: 10 MiB a request; a record of at most 10 MiB with its partition key (256 characters of up to
/// four bytes). <https://docs.aws.amazon.com/streams/latest/dev/large-records.html>
const KINESIS_CALL_BYTES: u64 = 10 * 1024 * 1024;
const KINESIS_RECORD_BYTES: u64 = KINESIS_CALL_BYTES - 1024;
/// PutRecordBatch: 4 MiB a request, 1,000 KiB a record.
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>
const FIREHOSE_CALL_BYTES: u64 = 4 * 1024 * 1024;
const FIREHOSE_RECORD_BYTES: u64 = 1000 * 1024;
const IN_FLIGHT_BYTES: u64 = 256 * 1024 * 1024;

pub(super) fn sink(settings: &SinkSettings) -> Result<SinkPlan, Error> {
    #[derive(Clone, Copy)]
    enum Kind {
        Kinesis,
        Firehose,
        File,
        Stdout,
        Null,
    }
    let kinds = [
        ("kinesis", Kind::Kinesis),
        ("firehose", Kind::Firehose),
        ("file", Kind::File),
        ("stdout", Kind::Stdout),
        ("null", Kind::Null),
    ];
    match choose("sink.type", &settings.kind, &kinds)? {
        Kind::Kinesis => kinesis(settings),
        Kind::Firehose => firehose(settings),
        Kind::File => file(settings),
        Kind::Stdout => Ok(SinkPlan::Stdout),
        Kind::Null => Ok(SinkPlan::Null),
    }
}

/// With a lease no call may outlive it: a call's timeout is at most what fits between two renewals.
pub(super) fn within_lease(sink: SinkPlan, checkpoint: &CheckpointPlan) -> SinkPlan {
    if matches!(checkpoint.store, StorePlan::File(_)) {
        return sink;
    }
    let call_max = Span(checkpoint.lease).put_max();
    match sink {
        SinkPlan::Kinesis(plan) => SinkPlan::Kinesis(KinesisPlan {
            call_timeout: plan.call_timeout.min(call_max),
            ..plan
        }),
        SinkPlan::Firehose(plan) => SinkPlan::Firehose(FirehosePlan {
            call_timeout: plan.call_timeout.min(call_max),
            ..plan
        }),
        other => other,
    }
}

fn kinesis(settings: &SinkSettings) -> Result<SinkPlan, Error> {
    let kinesis = &settings.kinesis;
    name("sink.kinesis.stream", &kinesis.stream, 128)?;
    let calls = Calls {
        keys: [
            "sink.kinesis.call_bytes",
            "sink.kinesis.in_flight_bytes_max",
            "sink.kinesis.call_timeout_secs",
        ],
        call_bytes: kinesis.call_bytes,
        call_bytes_max: KINESIS_CALL_BYTES,
        in_flight_bytes_max: kinesis.in_flight_bytes_max,
        call_timeout_secs: kinesis.call_timeout_secs,
    };
    let (call_bytes, in_flight_bytes_max, call_timeout) = calls.check()?;
    let aws = aws(
        ["sink.kinesis.endpoint_url", "sink.kinesis.role_arn"],
        [&kinesis.region, &kinesis.endpoint_url, &kinesis.role_arn],
    )?;
    Ok(SinkPlan::Kinesis(KinesisPlan {
        stream: kinesis.stream.clone(),
        aws,
        call_bytes,
        in_flight_bytes_max,
        call_timeout,
    }))
}

fn firehose(settings: &SinkSettings) -> Result<SinkPlan, Error> {
    let firehose = &settings.firehose;
    name(
        "sink.firehose.delivery_stream",
        &firehose.delivery_stream,
        64,
    )?;
    let calls = Calls {
        keys: [
            "sink.firehose.call_bytes",
            "sink.firehose.in_flight_bytes_max",
            "sink.firehose.call_timeout_secs",
        ],
        call_bytes: firehose.call_bytes,
        call_bytes_max: FIREHOSE_CALL_BYTES,
        in_flight_bytes_max: firehose.in_flight_bytes_max,
        call_timeout_secs: firehose.call_timeout_secs,
    };
    let (call_bytes, in_flight_bytes_max, call_timeout) = calls.check()?;
    let aws = aws(
        ["sink.firehose.endpoint_url", "sink.firehose.role_arn"],
        [&firehose.region, &firehose.endpoint_url, &firehose.role_arn],
    )?;
    Ok(SinkPlan::Firehose(FirehosePlan {
        delivery_stream: firehose.delivery_stream.clone(),
        aws,
        call_bytes,
        in_flight_bytes_max,
        call_timeout,
    }))
}

fn file(settings: &SinkSettings) -> Result<SinkPlan, Error> {
    let path = optional(&settings.file.path).ok_or_else(|| {
        Error::new(
            "sink.file.path",
            "is empty",
            "name the file to write to, or choose another sink.type",
        )
    })?;
    let rotate_bytes = number(
        "sink.file.rotate_bytes",
        settings.file.rotate_bytes,
        1024..=1 << 40,
    )?;
    Ok(SinkPlan::File(FilePlan {
        path: PathBuf::from(path),
        rotate_bytes,
    }))
}

fn name(key: &'static str, name: &str, length_max: usize) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::new(
            key,
            "is empty",
            "name the stream to write to, or choose another sink.type",
        ));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.len() > length_max || !name.bytes().all(is_allowed) {
        return Err(Error::new(
            key,
            format!("\"{name}\" is no stream name"),
            format!(
                "write the name alone, not the ARN: letters, digits, \"_\", \".\", \"-\", at most {length_max}"
            ),
        ));
    }
    Ok(())
}

pub(super) fn aws(
    keys: [&'static str; 2],
    [region, url, role]: [&String; 3],
) -> Result<AwsPlan, Error> {
    let [url_key, role_key] = keys;
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    if !url.is_empty() && !is_url {
        return Err(Error::new(
            url_key,
            "does not begin with http:// or https://",
            "write the whole URL, or \"\" for AWS's own",
        ));
    }
    if !role.is_empty() && !role.starts_with("arn:") {
        return Err(Error::new(
            role_key,
            format!("\"{role}\" is no ARN"),
            "write arn:aws:iam::ACCOUNT:role/NAME, or \"\" for the credentials as they are",
        ));
    }
    Ok(AwsPlan {
        region: optional(region).map(str::to_owned),
        endpoint_url: optional(url).map(str::to_owned),
        role_arn: optional(role).map(str::to_owned),
    })
}

struct Calls {
    /// Bytes of a call, bytes in flight, timeout.
    keys: [&'static str; 3],
    call_bytes: u64,
    call_bytes_max: u64,
    in_flight_bytes_max: u64,
    call_timeout_secs: u64,
}

impl Calls {
    fn check(&self) -> Result<(usize, usize, Duration), Error> {
        let [call_key, in_flight_key, timeout_key] = self.keys;
        let call_bytes = number(call_key, self.call_bytes, 1024..=self.call_bytes_max)?;
        let in_flight_bytes_max = number(
            in_flight_key,
            self.in_flight_bytes_max,
            self.call_bytes..=IN_FLIGHT_BYTES,
        )?;
        let timeout = duration_secs(timeout_key, self.call_timeout_secs, 1..=600)?;
        Ok((call_bytes, in_flight_bytes_max, timeout))
    }
}

/// Bytes that the sink may have in flight; 0 for those that write at once.
pub(super) fn in_flight_bytes(sink: &SinkPlan) -> usize {
    match sink {
        SinkPlan::Kinesis(kinesis) => kinesis.in_flight_bytes_max,
        SinkPlan::Firehose(firehose) => firehose.in_flight_bytes_max,
        SinkPlan::File(_) | SinkPlan::Stdout | SinkPlan::Null => 0,
    }
}

/// `packing.record_bytes_max` within what the sink takes.
pub(super) fn record_bytes_max(settings: &Settings, sink: &SinkPlan) -> Result<usize, Error> {
    const KEY: &str = "packing.record_bytes_max";
    let (limit, whose) = match sink {
        SinkPlan::Kinesis(_) => (KINESIS_RECORD_BYTES, "kinesis"),
        SinkPlan::Firehose(_) => (FIREHOSE_RECORD_BYTES, "firehose"),
        SinkPlan::File(_) | SinkPlan::Stdout | SinkPlan::Null => (64 * 1024 * 1024, "this sink"),
    };
    let bytes = settings.packing.record_bytes_max;
    if bytes > limit {
        return Err(Error::new(
            KEY,
            format!("{bytes} is more than {whose} takes in one record"),
            format!("write at most {limit}"),
        ));
    }
    let in_flight = in_flight_bytes(sink);
    if in_flight > 0 && bytes > in_flight as u64 {
        return Err(Error::new(
            KEY,
            format!("{bytes} is more than the sink's in_flight_bytes_max of {in_flight}"),
            "lower the one or raise the other",
        ));
    }
    number(KEY, bytes, 1..=limit)
}
