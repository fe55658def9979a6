//! A TCP proxy that does to connections what networks do: cuts, stalls, delays, slows and corrupts them.
//!
//! A test programs [`WireFaults`] at any time, or strikes the connections that are open now. Random decisions are
//! taken for each piece (up to 16 KiB of one direction) by one seeded generator. The dump of a MySQL
//! connection is told by its command, so that a byte of it can be damaged; under TLS all that follows the
//! greeting counts as a dump. Its events can be rewritten (`rewriting`), and statements held (`gates`). A stalled connection stays open and silent on both sides until it is cut or
//! the proxy is dropped. Not here: what servers and services do wrong by themselves.

mod commands;
mod gates;
mod rewriting;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{broadcast, watch},
    task::JoinSet,
};

pub use self::gates::Gate;
use self::{
    commands::Commands,
    gates::{Gates, Said},
    rewriting::{Rewriter, Rewriting},
};
use crate::ports::Port;

const PIECE_BYTES: usize = 16 * 1024;
/// Strikes that a connection may still have to notice.
const STRIKES_MAX: usize = 64;

/// What goes wrong. Fractions are in 0..=1.
#[derive(Debug, Clone, Default)]
pub struct WireFaults {
    /// Nobody listens any more; what is open stays.
    pub is_refusing: bool,
    /// Connections are taken and nothing is forwarded, on any of them, until this ends.
    pub is_stalled: bool,
    /// Before each piece.
    pub delay: Duration,
    /// Of each direction of each connection.
    pub bytes_per_sec: Option<u32>,
    /// Of pieces: the connection is cut instead.
    pub cut: f64,
    /// Of pieces: the connection stands still for ever instead.
    pub stalled: f64,
    /// Of pieces of a dump: one bit is flipped.
    pub corrupted: f64,
}

/// How a connection is cut, towards both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// RST: as by a firewall, or a host that is gone.
    Reset,
    /// FIN: as if each side had hung up on the other.
    Close,
}

/// The proxy; it and its connections end when dropped.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    port: Port,
    target: SocketAddr,
    faults: watch::Sender<WireFaults>,
    strikes: broadcast::Sender<Strike>,
    random: Mutex<fastrand::Rng>,
    /// Bytes of a dump before the one that is damaged once.
    flip_after: Mutex<Option<u64>>,
    flips: AtomicU64,
    rewriting: Mutex<Option<Rewriting>>,
    gates: Gates,
    accepted: AtomicU64,
    dumps: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Strike {
    Cut(Cut),
    Stall,
}

impl Wire {
    /// To a server on this port of 127.0.0.1, which may come and go.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(port: u16, seed: u64) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            port: Port::claim()?,
            target: (Ipv4Addr::LOCALHOST, port).into(),
            faults: watch::Sender::default(),
            strikes: broadcast::Sender::new(STRIKES_MAX),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            flip_after: Mutex::default(),
            flips: AtomicU64::default(),
            rewriting: Mutex::default(),
            gates: Gates::default(),
            accepted: AtomicU64::default(),
            dumps: watch::Sender::default(),
        });
        let listener = TcpListener::bind(shared.address()).await?;
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, server })
    }

    /// On 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.shared.port.number()
    }

    /// Changes the program from the next piece on.
    pub fn program(&self, change: impl FnOnce(&mut WireFaults)) {
        self.shared.faults.send_modify(change);
    }

    /// Cuts what is open now.
    pub fn cut(&self, how: Cut) {
        self.strike(Strike::Cut(how));
    }

    /// What is open now forwards nothing more, and stays open; new connections are well.
    pub fn stall(&self) {
        self.strike(Strike::Stall);
    }

    fn strike(&self, strike: Strike) {
        // Without a connection there is nobody to strike.
        drop(self.shared.strikes.send(strike));
    }

    /// Flips a bit, once: of the byte behind so many of a dump, or of the next one if more have passed.
    pub fn flip(&self, after_bytes: u64) {
        *locked(&self.shared.flip_after) = Some(after_bytes);
    }

    /// Bits that were flipped.
    pub fn flips(&self) -> u64 {
        self.shared.flips.load(Ordering::Relaxed)
    }

    /// In dumps that begin from now on: what is sent in place of each event.
    pub fn rewrite(&self, rewrite: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) {
        *locked(&self.shared.rewriting) = Some(Rewriting::new(rewrite));
    }

    /// Dumps that begin from now on pass as they are.
    pub fn leave_alone(&self) {
        *locked(&self.shared.rewriting) = None;
    }

    /// Statements with this text wait from now on.
    pub fn gate(&self, text: &str) -> Gate {
        self.shared.gates.add(None, text)
    }

    /// The same on connections over which a statement with `first` goes from now on.
    pub fn gate_behind(&self, first: &str, text: &str) -> Gate {
        self.shared.gates.add(Some(first), text)
    }

    /// Connections so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Dumps that were asked for so far.
    pub fn dumps(&self) -> u64 {
        *self.shared.dumps.borrow()
    }

    /// Waits until so many dumps have been asked for.
    pub async fn dumps_reached(&self, count: u64) {
        let mut dumps = self.shared.dumps.subscribe();
        // The sender lives in `self`.
        drop(dumps.wait_for(|dumps| *dumps >= count).await);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    fn happens(&self, fraction: f64) -> bool {
        fraction > 0.0 && locked(&self.random).f64() < fraction
    }

    /// Damages a piece of a dump, of which so many bytes have passed.
    fn corrupt(&self, piece: &mut [u8], passed: u64, fraction: f64) {
        let mut after = locked(&self.flip_after);
        let index = match *after {
            Some(at) if at < passed + piece.len() as u64 => {
                *after = None;
                at.saturating_sub(passed) as usize
            }
            _ if self.happens(fraction) => locked(&self.random).usize(..piece.len()),
            _ => return,
        };
        if let Some(byte) = piece.get_mut(index) {
            *byte ^= 1 << locked(&self.random).u32(..8);
            self.flips.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn any_cut(&self) -> Cut {
        if locked(&self.random).bool() {
            Cut::Reset
        } else {
            Cut::Close
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections end with this task.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut faults = shared.faults.subscribe();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let is_refusing = faults.borrow_and_update().is_refusing;
        listener = match listener.filter(|_| !is_refusing) {
            None if !is_refusing => TcpListener::bind(shared.address()).await.ok(),
            kept => kept,
        };
        tokio::select! {
            accepted = next(listener.as_ref()) => match accepted {
                Ok(client) => {
                    shared.accepted.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(carry(client, Arc::clone(&shared)));
                }
                Err(_) => tokio::task::yield_now().await,
            },
            _ = faults.changed() => (),
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn next(listener: Option<&TcpListener>) -> std::io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// One connection, to its end.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut strikes = shared.strikes.subscribe();
    let Ok(mut server) = TcpStream::connect(shared.target).await else {
        // As if nobody listened.
        return reset(&[&client]);
    };
    // It costs only time when this fails.
    drop(client.set_nodelay(true).and(server.set_nodelay(true)));
    let cut = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let commands = Commands::default();
        let requests = Direction::new(&shared, &commands, client_read, server_write);
        let answers = Direction::new(&shared, &commands, server_read, client_write);
        let flow = async { tokio::try_join!(requests.requests(), answers.answers()) };
        tokio::pin!(flow);
        let mut is_stalled = false;
        loop {
            let strike = tokio::select! {
                // Nothing passes behind a strike.
                biased;
                struck = strikes.recv() => match struck {
                    Ok(strike) => strike,
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => break Cut::Reset,
                },
                end = &mut flow, if !is_stalled => match end {
                    // Both sides have said that they are done.
                    Ok(_) => break Cut::Close,
                    Err(strike) => strike,
                },
            };
            match strike {
                Strike::Cut(cut) => break cut,
                Strike::Stall => is_stalled = true,
            }
        }
    };
    if cut == Cut::Reset {
        reset(&[&client, &server]);
    }
}

/// They are reset when they are dropped.
fn reset(sockets: &[&TcpStream]) {
    for socket in sockets {
        // A socket that is gone already needs no reset.
        drop(socket.set_zero_linger());
    }
}

struct Direction<'a> {
    shared: &'a Shared,
    commands: &'a Commands,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
}

impl<'a> Direction<'a> {
    fn new(
        shared: &'a Shared,
        commands: &'a Commands,
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
    ) -> Self {
        Self {
            shared,
            commands,
            from,
            to,
        }
    }

    /// From the client on.
    async fn requests(mut self) -> Result<(), Strike> {
        let mut piece = [0; PIECE_BYTES];
        let mut said = Said::default();
        while let Some(bytes) = self.take(&mut piece).await? {
            self.shared.gates.pass(&mut said, bytes).await;
            if self.commands.read(bytes) {
                self.shared.dumps.send_modify(|dumps| *dumps += 1);
            }
            self.pass(bytes).await?;
        }
        self.done().await
    }

    /// From the server on.
    async fn answers(mut self) -> Result<(), Strike> {
        let mut piece = [0; PIECE_BYTES];
        let mut passed = 0;
        // Decided when the dump begins.
        let mut rewriter: Option<Option<Rewriter>> = None;
        while let Some(bytes) = self.take(&mut piece).await? {
            if self.commands.is_dump() {
                let corrupted = self.shared.faults.borrow().corrupted;
                self.shared.corrupt(bytes, passed, corrupted);
                passed += bytes.len() as u64;
                let rewriting = || locked(&self.shared.rewriting).clone();
                let rewriter = rewriter.get_or_insert_with(|| rewriting().map(Rewriter::new));
                if let Some(rewriter) = rewriter {
                    let bytes = rewriter.take(bytes);
                    self.pass(&bytes).await?;
                    continue;
                }
            }
            self.pass(bytes).await?;
        }
        self.done().await
    }

    /// The next piece; `None` at the end.
    async fn take<'p>(&mut self, piece: &'p mut [u8]) -> Result<Option<&'p mut [u8]>, Strike> {
        let most = match self.shared.faults.borrow().bytes_per_sec {
            // Twenty pieces a second.
            Some(rate) => (rate as usize / 20).clamp(1, PIECE_BYTES),
            None => PIECE_BYTES,
        };
        let room = piece.get_mut(..most).unwrap_or_default();
        let count = self.from.read(room).await.map_err(|_| BROKEN)?;
        Ok(room.get_mut(..count).filter(|bytes| !bytes.is_empty()))
    }

    async fn pass(&mut self, bytes: &[u8]) -> Result<(), Strike> {
        let mut faults = self.shared.faults.subscribe();
        // The sender lives in `shared`.
        drop(faults.wait_for(|faults| !faults.is_stalled).await);
        let faults = faults.borrow().clone();
        if self.shared.happens(faults.cut) {
            return Err(Strike::Cut(self.shared.any_cut()));
        }
        if self.shared.happens(faults.stalled) {
            return Err(Strike::Stall);
        }
        tokio::time::sleep(faults.delay).await;
        self.to.write_all(bytes).await.map_err(|_| BROKEN)?;
        if let Some(rate) = faults.bytes_per_sec {
            let pause = bytes.len() as f64 / f64::from(rate.max(1));
            tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        }
        Ok(())
    }

    /// The side that we read from has said its last.
    async fn done(mut self) -> Result<(), Strike> {
        self.to.shutdown().await.map_err(|_| BROKEN)
    }
}

/// One side is gone: so is the other.
const BROKEN: Strike = Strike::Cut(Cut::Reset);

#[cfg(test)]
mod tests;
