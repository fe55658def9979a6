//! The Kinesis endpoint that takes everything, in a process of its own: `swallow [PORT]`.
//! Prints its address; counters at `GET /counters`; ends with SIGTERM.

use std::sync::Arc;

use anyhow::Context;
use headwater_harness::swallow;

fn main() -> anyhow::Result<()> {
    let port: u16 = match std::env::args().nth(1) {
        Some(port) => port
            .parse()
            .with_context(|| format!("`{port}` is not a port"))?,
        None => 0,
    };
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", port)).context("listen on 127.0.0.1")?;
    println!(
        "http://{}",
        listener.local_addr().context("ask for the port")?
    );
    let (_running, stopped) = tokio::sync::oneshot::channel();
    swallow::serve_on_this_thread(listener, Arc::default(), stopped)
}
