//! The telemetry port: its own thread and runtime, so that no actor can keep a probe waiting.
//!
//! A connection is one task until its request is there, then another one until its answer is gone; each has a
//! limit of time, and `Places` says who must go when there are too many. Answers of any size are made one at
//! a time on a thread beside this one, so a probe waits for none of them, and what they take is bounded.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::{Mutex, oneshot},
    task::{AbortHandle, Id, JoinSet},
    time::{interval, sleep, timeout},
};

use super::{
    Error,
    http::{self, SupervisorSlot},
    places::{Kind, Places},
    recorder::{MetricsPage, UPKEEP_INTERVAL},
    wire::{self, Request},
};

/// From the connection to the end of the request's head.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// From there to the end of the connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long answers that have begun may take once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// No file descriptor is left: others may end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that runs until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

/// What a connection has come to.
enum Step {
    Requested(TcpStream, Option<Request>),
    Over,
}

struct Connections {
    tasks: JoinSet<Step>,
    handles: HashMap<Id, AbortHandle>,
    places: Places<Id>,
    pages: Arc<Pages>,
}

/// What answers are made of.
struct Pages {
    metrics: MetricsPage,
    supervisor: SupervisorSlot,
    /// Held while an answer of any size is made.
    turn: Arc<Mutex<()>>,
}

impl Server {
    /// Serves on a bound listener.
    pub fn start(
        listener: TcpListener,
        metrics: MetricsPage,
        supervisor: SupervisorSlot,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(Error::Listen)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_name("telemetry pages")
            .build()
            .map_err(Error::Listen)?;
        listener.set_nonblocking(true).map_err(Error::Listen)?;
        let (stop, told) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let pages = Pages {
            metrics,
            supervisor,
            turn: Arc::default(),
        };
        std::thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || {
                serve(runtime, listener, pages, told);
                // Dropped: the end, or a panic; both close the port.
                drop(ended);
            })
            .map_err(Error::Listen)?;
        tracing::info!(%address, "metrics, probes and status are served");
        Ok(Self {
            address,
            stop,
            stopped,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the requests that have come, for at most a second, and closes the port.
    pub async fn stop(self) {
        drop(self.stop);
        // Nothing is ever sent: it resolves when the thread is done.
        self.stopped.await.unwrap_or_default();
    }
}

fn serve(runtime: Runtime, listener: TcpListener, pages: Pages, told: oneshot::Receiver<()>) {
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Connections::new(pages).run(&listener, told).await;
        Ok::<_, std::io::Error>(())
    });
    if let Err(error) = served {
        tracing::error!(%error, "the telemetry port cannot be served");
    }
    runtime.shutdown_background();
}

impl Connections {
    fn new(pages: Pages) -> Self {
        Self {
            tasks: JoinSet::new(),
            handles: HashMap::new(),
            places: Places::default(),
            pages: Arc::new(pages),
        }
    }

    async fn run(mut self, listener: &tokio::net::TcpListener, mut told: oneshot::Receiver<()>) {
        let mut upkeep = interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.enter(Kind::Request, request(stream)),
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the telemetry port was not taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(joined) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    match joined {
                        Ok((id, step)) => self.proceed(id, step),
                        Err(error) => self.leave(error.id()),
                    }
                }
                _ = upkeep.tick() => self.pages.metrics.upkeep(),
                _ = &mut told => break,
            }
        }
        let rest = async {
            while let Some(joined) = self.tasks.join_next_with_id().await {
                if let Ok((id, step)) = joined {
                    self.proceed(id, step);
                }
            }
        };
        if timeout(STOP_TIMEOUT, rest).await.is_err() {
            tracing::debug!("connections to the telemetry port were cut off");
        }
    }

    fn enter(&mut self, kind: Kind, step: impl Future<Output = Step> + Send + 'static) {
        let handle = self.tasks.spawn(step);
        if let Some(oldest) = self.places.enter(kind, handle.id())
            && let Some(oldest) = self.handles.remove(&oldest)
        {
            oldest.abort();
        }
        self.handles.insert(handle.id(), handle);
    }

    fn leave(&mut self, id: Id) {
        self.handles.remove(&id);
        self.places.leave(|other| *other == id);
    }

    fn proceed(&mut self, id: Id, step: Step) {
        self.leave(id);
        if let Step::Requested(stream, request) = step {
            let kind = http::kind(request.as_ref());
            let pages = Arc::clone(&self.pages);
            self.enter(kind, answer(stream, request, pages));
        }
    }
}

async fn request(mut stream: TcpStream) -> Step {
    match timeout(REQUEST_TIMEOUT, wire::read_request(&mut stream)).await {
        Ok(Ok(request)) => Step::Requested(stream, request),
        // It broke or took too long.
        Ok(Err(_)) | Err(_) => Step::Over,
    }
}

async fn answer(mut stream: TcpStream, request: Option<Request>, pages: Arc<Pages>) -> Step {
    let answered = timeout(ANSWER_TIMEOUT, async {
        let reply = pages.reply(request.as_ref()).await;
        let is_head = request.is_some_and(|request| request.is_head);
        wire::write_reply(&mut stream, &reply, is_head).await
    });
    match answered.await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(%error, "an answer of the telemetry port broke off"),
        Err(_) => tracing::debug!("an answer of the telemetry port was not read in time"),
    }
    Step::Over
}

impl Pages {
    async fn reply(&self, request: Option<&Request>) -> wire::Reply {
        let Some(request) = request else {
            return http::no_request();
        };
        if http::kind(Some(request)) == Kind::Probe {
            return http::probe(&request.path, &self.supervisor);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let page = http::page(&request.path, &self.supervisor, &self.metrics).await;
        // The turn ends with the work, also when nobody waits for it any more.
        let made = tokio::task::spawn_blocking(move || {
            let reply = page.render();
            drop(turn);
            reply
        });
        made.await.unwrap_or_else(|_| http::broken())
    }
}
