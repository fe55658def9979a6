//! Lines on standard output, flushed whenever nothing more is waiting.
//!
//! "Durable" means here: the other end of the pipe has it. What was half written cannot be taken back, so
//! every error is definite; a closed pipe is the usual one.

use std::io::{self, Write};

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected, Sink},
    },
};

use super::{RECORD_BYTES_UNLIMITED, group::Group, kinds::Facts};

pub const FACTS: Facts = Facts {
    name: "stdout",
    target: None,
    record_bytes_max: None,
    opens_aggregates: false,
    needs_line_ends: true,
};

pub struct StdoutSink {
    group: Group<Record>,
}

impl StdoutSink {
    pub fn start() -> Result<Self, Failure> {
        Self::over(io::stdout())
    }

    fn over(mut writer: impl Write + Send + 'static) -> Result<Self, Failure> {
        let group = Group::start("stdout-sink", move |records| {
            write(&mut writer, records).map_err(failure)
        })?;
        Ok(Self { group })
    }
}

impl Sink for StdoutSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        self.group.deliver(record)
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_UNLIMITED
    }
}

fn write(writer: &mut impl Write, records: &[Record]) -> io::Result<()> {
    for record in records {
        writer.write_all(&record.bytes)?;
        if record.lacks_line_end() {
            writer.write_all(b"\n")?;
        }
    }
    writer.flush()
}

fn failure(error: io::Error) -> Failure {
    let is_broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
    let failure = Failure::definite("write to standard output").because(error);
    match is_broken_pipe {
        true => failure.with_hint("the program that read the lines has ended"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::fixture::record;

    #[tokio::test]
    async fn each_record_ends_its_line_and_is_written_before_it_is_acknowledged() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let sink = StdoutSink::over(writer).expect("a thread");
        sink.deliver(record("orders", "one\ntwo\n"))
            .await
            .expect("written");
        sink.deliver(record("orders", "three"))
            .await
            .expect("written");
        drop(sink);
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).expect("readable");
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn a_closed_pipe_is_definite() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let sink = StdoutSink::over(writer).expect("a thread");
        let rejected = sink
            .deliver(record("orders", "one\n"))
            .await
            .expect_err("closed");
        assert!(rejected.failure.is_definite());
    }
}
