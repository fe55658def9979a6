//! Networks and services between the program and Kinesis at their worst, and TLS in front of it.

use std::time::Duration;

use headwater_harness::{
    faults::{FaultProxy, Faults},
    program::Stream,
    wait::Deadline,
    wire::{Cut, Wire},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, ends_well, records_grow},
};

/// Traffic through these faults, then through none.
async fn survives(seed: u64, program_faults: impl FnOnce(&mut Faults)) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, seed).await?;
    proxy.program(program_faults);
    let program = world
        .launch_to(&proxy.url())?
        .setting("sink.kinesis.call_timeout_secs", "1")
        .start()?;
    let traffic = Traffic::with_ddl(&world.mysql);
    proxy.calls_reached(40).await;
    traffic.grows(5).await?;
    traffic.stop().await?;
    proxy.program(|faults| *faults = Faults::default());
    ends_well(program, &world).await?;
    let stats = proxy.stats();
    assert_eq!(stats.key_overlaps, 0);
    assert!(stats.calls_struck > 5, "a calm day: {stats:?}");
    Ok(())
}

#[tokio::test]
async fn order_and_completeness_survive_resets_at_every_stage_of_a_call() -> anyhow::Result<()> {
    survives(51, |faults| {
        faults.connections_reset = 0.2;
        faults.requests_reset = 0.15;
        faults.replies_reset = 0.15;
    })
    .await
}

#[tokio::test]
async fn order_and_completeness_survive_answers_that_are_none_or_come_too_late()
-> anyhow::Result<()> {
    survives(52, |faults| {
        faults.replies_garbled = 0.15;
        faults.calls_unavailable = 0.1;
        faults.replies_delayed = 0.1;
        faults.delay = Duration::from_secs(4);
    })
    .await
}

#[tokio::test]
async fn a_connection_to_the_stream_that_stalls_half_open_is_given_up() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 53).await?;
    let wire = Wire::to(proxy.port(), 53).await?;
    let mut program = world
        .launch_to(&format!("http://127.0.0.1:{}", wire.port()))?
        .setting("sink.kinesis.call_timeout_secs", "1")
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 3).await?;
    wire.stall();
    program
        .wait_for_line("did not answer within", WITHIN)
        .await?;
    records_grow(&world, 3).await?;
    wire.cut(Cut::Reset);
    records_grow(&world, 3).await?;
    traffic.stop().await?;
    ends_well(program, &world).await?;
    assert_eq!(proxy.stats().key_overlaps, 0);
    Ok(())
}

#[tokio::test]
async fn an_endpoint_over_tls_is_trusted_when_ssl_cert_file_says_so() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::over_tls(&world.kinesis.endpoint(), 1, 54).await?;
    proxy.program(|faults| faults.requests_reset = 0.2);
    let mut distrustful = world.launch_to(&proxy.url())?.start()?;
    distrustful.wait_for_line("SSL_CERT_FILE", WITHIN).await?;
    distrustful.kill9()?;
    let trusted = world.folder().join("trusted.pem");
    std::fs::write(&trusted, proxy.certificate().unwrap_or_default())?;
    let program = world
        .launch_to(&proxy.url())?
        .env("SSL_CERT_FILE", &trusted.display().to_string())
        .start()?;
    let traffic = Traffic::with_ddl(&world.mysql);
    proxy.calls_reached(20).await;
    traffic.stop().await?;
    ends_well(program, &world).await.map(drop)
}

/// Answers each call without an end, until the other side has had enough.
async fn answer_for_ever(mut stream: TcpStream, head: &'static str) -> std::io::Result<()> {
    let mut request = [0; 64 << 10];
    while !request.ends_with(b"}") {
        let read = stream.read(&mut request).await?;
        if read == 0 || request[..read].ends_with(b"}") {
            break;
        }
    }
    stream.write_all(head.as_bytes()).await?;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 1 << 16], b"\r\n"].concat();
    loop {
        stream.write_all(&chunk).await?;
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up_and_fills_no_memory() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            tokio::spawn(answer_for_ever(stream, head));
        }
    });
    let mut program = world
        .launch_to(&endpoint)?
        .setting("sink.kinesis.call_timeout_secs", "60")
        .start()?;
    let deadline = Deadline::after(WITHIN, "three calls given up");
    let given_up = "the answer is longer than the 1048576 bytes that it may have";
    while program
        .lines(Stream::Stderr)
        .iter()
        .filter(|line| line.contains(given_up))
        .count()
        < 3
    {
        deadline.pause().await?;
    }
    program.wait_for_line("is not AWS", WITHIN).await?;
    let peak = program.peak_rss_kib()?;
    assert!(peak < 64 << 10, "{peak} KiB");
    Ok(())
}
