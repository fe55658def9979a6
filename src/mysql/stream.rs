//! A server's binary log as a [`Source`].
//!
//! Each `open` connects anew, asks the server what it is, and goes on by position only where
//! [`decide_resume`] allows it. A server other than the one that the source was made for is refused: its
//! epoch must be stored before its first event is read, which is the work of [`super::start::resume`] at
//! the next start. Questions and the dump go over a connection each, to the same server. The read timeout
//! counts only while somebody reads, so our own backpressure never looks like a dead connection.

use std::sync::Arc;

use bytes::BytesMut;
use headwater_actors::{
    failure::Failure,
    lane::{FNV_BASIS, fnv1a},
    ports::{
        BoxFuture,
        source::{EventStream, Head, Kept, Opening, Read, Source, bytes_between},
    },
    progress::Resume,
};
use headwater_binlog::{
    assembler::StreamKind,
    columns::{Answer, Question},
    gtid::{GtidSet, Uuid},
    position::Position,
    xa::Prepared,
};
use tokio::sync::Mutex;

use super::options::{SourcePlan, UnnamedColumns};
use super::{
    ahead::{Home, PartSums},
    connection::Connection,
    dump::{AtLogEnd, Dump, Ready, Replica, Taken},
    facts::{Server, ServerFacts},
    prepared,
    resume::{Route, decide_resume},
    same_log::ensure_holds_what_was_read,
    session::server,
    unnamed::Columns,
};

/// A read timeout below this many heartbeats would end healthy connections.
const HEARTBEATS_MIN: u32 = 3;

/// Who reads, and from which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pipeline's name.
    pub name: String,
    /// The replica id that we present; not 0.
    pub server_id: u32,
    /// The server whose positions the pipeline holds.
    pub server_uuid: Uuid,
}

impl Identity {
    /// The UUID under which the server knows this pipeline: the same after a restart, so that the server
    /// ends a dump that a dead process has left behind.
    pub fn replica_uuid(&self) -> Uuid {
        let name = self.name.as_bytes();
        let id = self.server_id.to_be_bytes();
        // Two orders of the same bytes begin the hash differently.
        let [high, low] =
            [[name, &id], [&id, name]].map(|key| u128::from(fnv1a(FNV_BASIS, &key.concat())));
        Uuid((high << 64 | low).to_be_bytes())
    }
}

/// One MySQL server, read as a replica would.
pub struct MySqlSource {
    shared: Arc<Shared>,
}

struct Shared {
    plan: SourcePlan,
    identity: Identity,
    /// Kept for [`Source::head`], which is asked again and again.
    idle: Mutex<Option<Server>>,
    columns: Columns,
}

impl MySqlSource {
    pub fn new(plan: SourcePlan, identity: Identity) -> Self {
        Self {
            shared: Arc::new(Shared {
                plan,
                identity,
                idle: Mutex::new(None),
                columns: Columns::default(),
            }),
        }
    }
}

impl Source for MySqlSource {
    fn open(&self, from: Resume) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open(from).await })
    }

    fn open_beside(
        &self,
        begin: Position,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open_beside(begin).await })
    }

    fn open_prepared(
        &self,
        prepared: Prepared,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.open_prepared(prepared).await })
    }

    fn head(&self) -> BoxFuture<'static, Result<Head, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.head().await })
    }

    fn kept(&self, places: Vec<(Uuid, Resume)>) -> BoxFuture<'static, Result<Vec<Kept>, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.kept(&places).await })
    }

    fn columns(&self, question: Question) -> BoxFuture<'static, Result<Answer, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Shared {
                plan,
                identity,
                columns,
                ..
            } = &*shared;
            match plan.unnamed_columns {
                UnnamedColumns::Positional => Ok(Answer::Positional),
                UnnamedColumns::Refuse => columns.ask(plan, identity.server_uuid, &question).await,
            }
        })
    }
}

impl Shared {
    async fn open(&self, from: Resume) -> Result<Box<dyn EventStream>, Failure> {
        let mut server = server(&self.plan).await?;
        let facts = server.facts().await?;
        // Whether another server can go on is the launch's question: it knows how long to wait for it.
        self.ensure_home(&facts)?;
        let route = decide_resume(self.identity.server_uuid, &from, &facts)?;
        if matches!(route, Route::ByGtid(_)) && from.mark.rows_done > 0 {
            return Err(Failure::definite(format!(
                "{} lies inside a transaction and cannot be asked for by GTID",
                from.mark.position
            )));
        }
        ensure_holds_what_was_read(&self.plan, &facts, &from).await?;
        let replica = Replica {
            server_id: self.identity.server_id,
            uuid: self.identity.replica_uuid(),
        };
        self.dump(server, had(facts), replica, &route).await
    }

    /// As another replica, or the server would end the dump that is open. It has told where it is, so nothing
    /// more is asked: transactions may be many.
    async fn open_beside(&self, begin: Position) -> Result<Box<dyn EventStream>, Failure> {
        let idle = self.idle.lock().await.take();
        let server = match idle {
            Some(server) => server,
            None => server(&self.plan).await?,
        };
        let (had, route) = (GtidSet::default(), Route::ByPosition(begin));
        self.dump(server, had, Replica::stranger(), &route).await
    }

    async fn open_prepared(&self, prepared: Prepared) -> Result<Box<dyn EventStream>, Failure> {
        let mut server = server(&self.plan).await?;
        let facts = server.facts().await?;
        self.ensure_home(&facts)?;
        let route = prepared::route(&prepared, &facts)?;
        self.dump(server, had(facts), Replica::stranger(), &route)
            .await
    }

    /// The launch translates the position by GTID and raises the epoch before anything of another server is
    /// read.
    fn ensure_home(&self, facts: &ServerFacts) -> Result<(), Failure> {
        if facts.server_uuid == self.identity.server_uuid {
            return Ok(());
        }
        Err(Failure::superseded(format!(
            "the server is now {}, no longer {}",
            facts.server_uuid, self.identity.server_uuid
        )))
    }

    async fn dump(
        &self,
        server: Server,
        had: GtidSet,
        replica: Replica,
        route: &Route,
    ) -> Result<Box<dyn EventStream>, Failure> {
        let server_uuid = self.identity.server_uuid;
        let host = server.host();
        let mut connection = Connection::open(&self.plan, &host).await?;
        connection.ensure_server(server_uuid).await?;
        let heartbeats = self.plan.heartbeat.saturating_mul(HEARTBEATS_MIN);
        let wait_max = self.plan.read_timeout.max(heartbeats);
        let dump = connection
            .dump(&self.plan, replica, &route.into(), AtLogEnd::Wait, wait_max)
            .await?;
        *self.idle.lock().await = Some(server);
        Ok(Box::new(MySqlStream {
            opening: Opening {
                kind: match route {
                    Route::ByPosition(_) => StreamKind::ByPosition,
                    Route::ByGtid(_) => StreamKind::ByGtid,
                },
                had,
            },
            dump,
            home: Home {
                plan: self.plan.clone(),
                host,
                server_uuid,
                wait_max,
            },
            parts: PartSums::default(),
            held_back: None,
        }))
    }

    async fn head(&self) -> Result<Head, Failure> {
        let kept = self.idle.lock().await.take();
        if let Some(mut server) = kept {
            // A connection may have died while nobody used it: ask again with a new one.
            if let Ok(head) = ask_head(&mut server).await {
                *self.idle.lock().await = Some(server);
                return Ok(head);
            }
        }
        let mut server = server(&self.plan).await?;
        let found = server.server_uuid().await?;
        if found != self.identity.server_uuid {
            return Err(Failure::transient(format!(
                "the end of the log is that of server {}, and {found} answers",
                self.identity.server_uuid
            )));
        }
        let head = ask_head(&mut server).await?;
        *self.idle.lock().await = Some(server);
        Ok(head)
    }
}

impl Shared {
    async fn kept(&self, places: &[(Uuid, Resume)]) -> Result<Vec<Kept>, Failure> {
        let idle = self.idle.lock().await.take();
        let mut server = match idle {
            Some(server) => server,
            None => server(&self.plan).await?,
        };
        let facts = server.facts().await?;
        self.ensure_home(&facts)?;
        let expires_after = server.log_expires_after().await?;
        *self.idle.lock().await = Some(server);
        let kept = |(home, from): &(Uuid, Resume)| {
            let is_here = *home == facts.server_uuid;
            Kept {
                is_kept: decide_resume(*home, from, &facts).is_ok(),
                bytes_ahead: is_here
                    .then(|| bytes_between(&facts.files, &from.mark.position, &facts.head)),
                expires_after,
            }
        };
        Ok(places.iter().map(kept).collect())
    }
}

/// What a server's log cannot bring.
fn had(facts: ServerFacts) -> GtidSet {
    match facts.has_gtids {
        true => facts.gtid_purged,
        false => GtidSet::default(),
    }
}

async fn ask_head(server: &mut Server) -> Result<Head, Failure> {
    let position = server.head().await?;
    let files = server.files().await?;
    Ok(Head { position, files })
}

struct MySqlStream {
    opening: Opening,
    dump: Dump,
    home: Home,
    /// Of the large event in hand.
    parts: PartSums,
    /// What came behind events that the caller must see first.
    held_back: Option<Failure>,
}

impl EventStream for MySqlStream {
    fn opening(&self) -> Opening {
        self.opening.clone()
    }

    fn read<'a>(
        &'a mut self,
        chunk: &'a mut BytesMut,
        bytes_soft_max: usize,
    ) -> BoxFuture<'a, Result<Read, Failure>> {
        Box::pin(self.read_events(chunk, bytes_soft_max))
    }
}

impl MySqlStream {
    async fn read_events(
        &mut self,
        chunk: &mut BytesMut,
        bytes_soft_max: usize,
    ) -> Result<Read, Failure> {
        if let Some(failure) = self.held_back.take() {
            return Err(failure);
        }
        let goes_on = self.dump.has_parts();
        match self.dump.next(chunk).await? {
            Taken::Event => (),
            Taken::Part => {
                if !goes_on {
                    let verified = self.home.ensure_checksum(self.dump.place(), chunk);
                    self.parts = Box::pin(verified).await?;
                }
                self.parts.ensure_next(chunk)?;
                return Ok(Read::Part);
            }
            Taken::End => return Err(self.ended()),
        }
        while chunk.len() < bytes_soft_max {
            let failure = match self.dump.ready(chunk) {
                Ok(Ready::Event) => continue,
                Ok(Ready::Later) => break,
                Ok(Ready::End) => self.ended(),
                Err(failure) => failure,
            };
            self.held_back = Some(failure);
            break;
        }
        Ok(Read::Events)
    }

    /// A dump that waits at the end of the log ends only when the server goes.
    fn ended(&self) -> Failure {
        Failure::transient(format!("{}: the server ended the dump", self.dump.doing()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_the_same_replica_after_a_restart_and_no_other() {
        let identity = |name: &str, server_id| Identity {
            name: name.into(),
            server_id,
            server_uuid: Uuid([0; 16]),
        };
        let uuid = identity("headwater", 7).replica_uuid();
        assert_eq!(uuid.to_string(), "af617afe-2a9c-fce3-bdc9-ab019c4370bd");
        assert_ne!(uuid, identity("headwater", 8).replica_uuid());
        assert_ne!(uuid, identity("other", 7).replica_uuid());
    }
}
