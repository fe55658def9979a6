use std::io::ErrorKind;

use super::*;

/// An echo, and the proxy before it.
async fn echo() -> (JoinSet<()>, Wire) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut read, mut write) = stream.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
            });
        }
    });
    (tasks, Wire::to(port, 1).await.unwrap())
}

async fn connect(wire: &Wire) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, wire.port())).await
}

async fn says(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_ends_do_too() {
    let (_echo, wire) = echo().await;
    let mut stream = connect(&wire).await.unwrap();
    assert_eq!(says(&mut stream, b"hello").await.unwrap(), b"hello");
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(wire.accepted(), 1);
}

#[tokio::test]
async fn a_cut_is_seen_as_what_it_is() {
    let (_echo, wire) = echo().await;
    for cut in [Cut::Close, Cut::Reset] {
        let mut stream = connect(&wire).await.unwrap();
        says(&mut stream, b"hello").await.unwrap();
        wire.cut(cut);
        let end = stream.read(&mut [0; 8]).await;
        match cut {
            Cut::Close => assert_eq!(end.unwrap(), 0),
            Cut::Reset => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[tokio::test]
async fn what_is_stalled_stays_open_and_silent_while_new_connections_are_well() {
    let (_echo, wire) = echo().await;
    let mut old = connect(&wire).await.unwrap();
    says(&mut old, b"hello").await.unwrap();
    wire.stall();
    let mut new = connect(&wire).await.unwrap();
    says(&mut new, b"hello").await.unwrap();
    old.write_all(b"anybody?").await.unwrap();
    says(&mut new, b"hello").await.unwrap();
    let nothing = old.try_read(&mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    wire.cut(Cut::Reset);
    old.read(&mut [0; 8]).await.unwrap_err();
}

#[tokio::test]
async fn a_network_that_stands_still_goes_on_with_all_that_was_said() {
    let (_echo, wire) = echo().await;
    wire.program(|faults| faults.is_stalled = true);
    let mut stream = connect(&wire).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    wire.program(|faults| faults.is_stalled = false);
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_refusing_port_takes_connections_again_afterwards() {
    let (_echo, wire) = echo().await;
    let mut kept = connect(&wire).await.unwrap();
    says(&mut kept, b"hello").await.unwrap();
    wire.program(|faults| faults.is_refusing = true);
    while connect(&wire).await.is_ok() {
        tokio::task::yield_now().await;
    }
    says(&mut kept, b"hello").await.unwrap();
    wire.program(|faults| faults.is_refusing = false);
    let mut stream = loop {
        match connect(&wire).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    says(&mut stream, b"hello").await.unwrap();
}

#[tokio::test]
async fn one_bit_of_a_dump_is_flipped_at_its_place() {
    let (_echo, wire) = echo().await;
    wire.flip(10);
    let mut plain = connect(&wire).await.unwrap();
    says(&mut plain, &[0; 40]).await.unwrap();
    assert_eq!((wire.flips(), wire.dumps()), (0, 0));
    let mut stream = connect(&wire).await.unwrap();
    let mut dump = vec![26, 0, 0, 0, 0x12];
    dump.resize(30, 0);
    let answer = says(&mut stream, &dump).await.unwrap();
    let flipped: Vec<usize> = (0..dump.len())
        .filter(|index| dump[*index] != answer[*index])
        .collect();
    assert_eq!((flipped, wire.flips(), wire.dumps()), (vec![10], 1, 1));
}

#[tokio::test]
async fn a_rate_is_kept() {
    let (_echo, wire) = echo().await;
    wire.program(|faults| faults.bytes_per_sec = Some(20_000));
    let mut stream = connect(&wire).await.unwrap();
    let begun = std::time::Instant::now();
    says(&mut stream, &[0; 6_000]).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
}
