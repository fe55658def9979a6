//! Group commit: one thread takes what is waiting, commits it together, answers each.
//!
//! Blocking writes stay off the async threads, and a sync is paid once for everything that came while the
//! last one ran. Order is the order of the submissions. The queue has no bound of its own: who submits holds
//! a permit for the bytes.

use futures_util::FutureExt;
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        sink::{Delivered, Record, Rejected},
    },
};
use tokio::sync::{mpsc, oneshot};

use super::{Outcome, count, ended, rejected};

const ITEMS_MAX: usize = 1024;

pub struct Group<T> {
    jobs: mpsc::UnboundedSender<Job<T>>,
}

struct Job<T> {
    item: T,
    reply: oneshot::Sender<Result<(), Failure>>,
}

impl<T: Send + 'static> Group<T> {
    /// Starts the thread; it ends when the group is dropped and everything submitted is answered.
    pub fn start(
        name: &str,
        mut commit: impl FnMut(&[T]) -> Result<(), Failure> + Send + 'static,
    ) -> Result<Self, Failure> {
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job<T>>();
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread
            .spawn(move || {
                while let Some(first) = queue.blocking_recv() {
                    let rest = std::iter::from_fn(|| queue.try_recv().ok());
                    let (items, replies): (Vec<T>, Vec<_>) = std::iter::once(first)
                        .chain(rest)
                        .take(ITEMS_MAX)
                        .map(|job| (job.item, job.reply))
                        .unzip();
                    let result = commit(&items);
                    for reply in replies {
                        // A caller that is gone does not want to know.
                        drop(reply.send(result.clone()));
                    }
                }
            })
            .map_err(|error| {
                Failure::definite(format!("start thread \"{name}\"")).because(error)
            })?;
        Ok(Self { jobs })
    }

    /// Queues now, before the future is polled; resolves when the item is committed.
    pub fn submit(&self, item: T) -> BoxFuture<'static, Result<(), Failure>> {
        let (reply, answer) = oneshot::channel();
        let ended = || ended("the writer thread");
        if self.jobs.send(Job { item, reply }).is_err() {
            return std::future::ready(Err(ended())).boxed();
        }
        answer
            .map(move |answer| answer.unwrap_or_else(|_| Err(ended())))
            .boxed()
    }
}

impl Group<Record> {
    /// [`Group::submit`] as the port of a sink wants it, counted.
    pub fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        let bytes = record.bytes.len();
        self.submit(record)
            .map(move |result| {
                let result = result.map(|()| Delivered::default()).map_err(rejected);
                count(Outcome::of(&result), 1, bytes);
                result
            })
            .boxed()
    }
}
