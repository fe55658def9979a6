//! The death watch: how the Supervisor learns that an actor is gone, whatever ended it.
//!
//! It speaks when the last of its handles is dropped, on stop and on panic alike; actix's own supervisor survives
//! no panic and keeps the old state. One handle is the actor's, the other outlives the actor with all that
//! actix keeps beside it: its mailbox and its futures. So whoever follows never meets a call or a
//! connection of the dead one.

use std::sync::{Arc, OnceLock};

use actix::{Actor, Addr, ArbiterHandle, Context, Recipient, dev::channel};
use futures_util::FutureExt;

use crate::{
    failure::Failure,
    messages::{ActorId, Cause, Died, Generation},
};

#[derive(Debug, Clone)]
pub struct DeathWatch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    supervisor: Recipient<Died>,
    generation: Generation,
    actor: ActorId,
    failure: OnceLock<Failure>,
}

impl DeathWatch {
    pub fn new(supervisor: Recipient<Died>, generation: Generation, actor: ActorId) -> Self {
        Self(Arc::new(Watched {
            supervisor,
            generation,
            actor,
            failure: OnceLock::new(),
        }))
    }

    /// The actor is about to stop because of `failure`; the first one counts.
    pub fn dying_of(&self, failure: Failure) {
        self.0.failure.get_or_init(|| failure);
    }

    /// Starts the actor, and holds this handle until nothing of it is left.
    pub fn start<A>(self, arbiter: &ArbiterHandle, actor: A) -> Addr<A>
    where
        A: Actor<Context = Context<A>> + Send,
    {
        let (sender, receiver) = channel::channel(MAILBOX_CAPACITY_FIRST);
        arbiter.spawn_fn(move || {
            let life = Context::with_receiver(receiver).into_future(actor);
            // Dropped as a whole, in a panic too, it drops its life first.
            actix::spawn(life.map(move |()| drop(self)));
        });
        Addr::new(sender)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let cause = if std::thread::panicking() {
            Cause::Panicked
        } else {
            self.failure.take().map_or(Cause::Stopped, Cause::Failed)
        };
        self.supervisor.do_send(Died {
            generation: self.generation,
            actor: self.actor.clone(),
            cause,
        });
    }
}

/// Until the actor has set its own.
const MAILBOX_CAPACITY_FIRST: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::{Weak, mpsc};

    use actix::{ActorContext, AsyncContext, Handler, Message, System, WrapFuture};

    use super::*;

    /// What must be gone before the watch speaks: says when it goes whether it has spoken.
    struct Belonging(&'static str, Weak<Watched>, mpsc::Sender<String>);

    impl Drop for Belonging {
        fn drop(&mut self) {
            let order = match self.1.upgrade() {
                Some(_) => "before",
                None => "after",
            };
            let said = self.2.send(format!("{} {order} the watch", self.0));
            assert!(said.is_ok());
        }
    }

    #[derive(Clone, Copy)]
    enum End {
        Stop,
        Fail,
        Panic,
    }

    /// Ends with a future under way and a message unread.
    struct Mortal {
        end: End,
        running: Option<Belonging>,
        watch: DeathWatch,
    }

    impl Actor for Mortal {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            let running = self.running.take();
            let effect = async move {
                let _running = running;
                std::future::pending::<()>().await;
            };
            ctx.spawn(effect.into_actor(self));
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    enum Word {
        End,
        Unread(#[allow(dead_code)] Belonging),
    }

    impl Handler<Word> for Mortal {
        type Result = ();

        fn handle(&mut self, _word: Word, ctx: &mut Self::Context) {
            match self.end {
                End::Stop => ctx.stop(),
                End::Fail => {
                    self.watch.dying_of(Failure::definite("the reason"));
                    self.watch.dying_of(Failure::definite("what came of it"));
                    ctx.stop();
                }
                End::Panic => panic!("told to"),
            }
        }
    }

    struct Witness(mpsc::Sender<String>);

    impl Actor for Witness {
        type Context = Context<Self>;
    }

    impl Handler<Died> for Witness {
        type Result = ();

        fn handle(&mut self, died: Died, _: &mut Self::Context) {
            assert!(self.0.send(format!("{:?}", died.cause)).is_ok());
            System::current().stop();
        }
    }

    fn last_words(end: End) -> Vec<String> {
        let (tell, told) = mpsc::channel();
        let system = System::new();
        system.block_on(async {
            let deaths = Witness(tell.clone()).start().recipient();
            let watch = DeathWatch::new(deaths, Generation(1), ActorId::Reader);
            let watched = Arc::downgrade(&watch.0);
            let belonging = |name| Belonging(name, Weak::clone(&watched), tell.clone());
            let mortal = Mortal {
                end,
                running: Some(belonging("future")),
                watch: watch.clone(),
            };
            let address = watch.start(&System::current().arbiter().clone(), mortal);
            address.do_send(Word::End);
            address.do_send(Word::Unread(belonging("message")));
        });
        assert!(system.run().is_ok());
        drop(tell);
        let mut said: Vec<String> = told.try_iter().collect();
        said.sort_unstable();
        said
    }

    #[test]
    fn the_watch_speaks_when_the_mailbox_and_the_futures_are_gone_too() {
        let gone = ["future before the watch", "message before the watch"];
        let failed = format!("{:?}", Cause::Failed(Failure::definite("the reason")));
        for (end, cause) in [
            (End::Stop, "Stopped"),
            (End::Fail, &failed),
            (End::Panic, "Panicked"),
        ] {
            assert_eq!(last_words(end), [&[cause], &gone[..]].concat());
        }
    }
}
