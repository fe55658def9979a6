//! A connection to a server that has logged in: for questions, and for the dump that it may become.
//!
//! Every wait for bytes has an end, and an idle connection is kept alive: what stands between would forget it. The
//! password and the certificates are read anew for each: what has changed counts from the next connection on. Not here: which host
//! ([`super::connect`]), and the dump ([`super::dump`]).

use std::{net::SocketAddr, time::Duration};

use headwater_actors::failure::{Code, Failure};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::options::{Host, SourcePlan};
use super::{
    error::Error,
    failure::{code, failure},
    login::{Keys, ServerVersion, login},
    packets::Packets,
    query::{self, Answer, Row},
};
use crate::{password::Door, secret::Secret};

const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// A connection that has logged in.
pub struct Connection {
    /// In a box: futures hold connections.
    pub(super) packets: Box<Packets>,
    pub(super) version: ServerVersion,
    pub(super) user: String,
}

impl Connection {
    /// A wait for bytes is limited by `connect_timeout`, until something else is set.
    ///
    /// # Errors
    /// Definite when the server refuses for good: wrong password, wrong certificate, no TLS.
    pub async fn open(plan: &SourcePlan, host: &Host) -> Result<Self, Failure> {
        let doing = format!("connect to MySQL at {}:{}", host.name, host.port);
        let door = door(plan, host);
        // Outside of connect_timeout: whoever is asked for it has a limit of its own.
        let password = Box::pin(plan.password.read(door)).await;
        let password = password.map_err(|failure| failure.within(&doing))?;
        let reached = Box::pin(reach(plan, host, password));
        let outcome = match timeout(plan.connect_timeout, reached).await {
            Ok(Err(Error::Silent(_))) | Err(_) => {
                return Err(Failure::transient(format!(
                    "{doing}: no answer within {} s",
                    plan.connect_timeout.as_secs_f32()
                ))
                .with_code(Code::Late));
            }
            Ok(outcome) => outcome,
        };
        let (packets, version) = outcome.map_err(|error| {
            let failure = failure(&doing, &plan.user, error);
            match failure.is_mysql(code::ACCESS_DENIED) {
                true => plan.password.refused(failure, door),
                false => failure,
            }
        })?;
        plan.password.taken();
        Ok(Self {
            packets: Box::new(packets),
            version,
            user: plan.user.clone(),
        })
    }

    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// How long a wait for bytes may take.
    pub fn set_wait_max(&mut self, wait_max: Duration) {
        self.packets.set_wait_max(wait_max);
    }

    /// Runs a statement and keeps its rows. After an error that is none of the server's the connection must not be
    /// used again.
    ///
    /// # Errors
    /// What the server says; what cannot be read, or never ends.
    pub async fn query(&mut self, sql: &str) -> Result<Answer, Error> {
        Box::pin(query::query(&mut self.packets, sql)).await
    }

    /// The same, and hands over each row.
    ///
    /// # Errors
    /// As [`Connection::query`], and what `take` says.
    pub async fn each<E: From<Error>>(
        &mut self,
        sql: &str,
        take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        query::each(&mut self.packets, sql, take).await.map(drop)
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Errors
    /// What the server says, as a failure of `doing`.
    pub async fn execute(&mut self, doing: &str, sql: &str) -> Result<(), Failure> {
        let outcome = self.query(sql).await;
        outcome
            .map(drop)
            .map_err(|error| self.failure(doing, error))
    }

    /// The first column of the first row; `None` for NULL or no row.
    ///
    /// # Errors
    /// What the server says, as a failure of `doing`.
    pub async fn value(&mut self, doing: &str, sql: &str) -> Result<Option<String>, Failure> {
        let answer = self.query(sql).await;
        let answer = answer.map_err(|error| self.failure(doing, error))?;
        let value = answer.rows.first().and_then(|row| row.bytes(0));
        Ok(value.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Takes leave of the server.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn leave(mut self) -> Result<(), Error> {
        query::quit(&mut self.packets).await?;
        self.packets.shut().await
    }

    pub fn failure(&self, doing: &str, error: Error) -> Failure {
        failure(doing, &self.user, error)
    }
}

/// Asks AWS for the password of the first host's account, and says what was asked for; `None` where AWS is not asked.
pub async fn ask_password(plan: &SourcePlan) -> Option<Result<String, Failure>> {
    let what = plan.password.asks_aws(&plan.user)?;
    let host = plan.hosts.first()?;
    let read = plan.password.read(door(plan, host)).await;
    Some(read.map(|_| what))
}

fn door<'a>(plan: &'a SourcePlan, host: &'a Host) -> Door<'a> {
    Door {
        host: &host.name,
        port: host.port,
        user: &plan.user,
    }
}

async fn reach(
    plan: &SourcePlan,
    host: &Host,
    password: Secret,
) -> Result<(Packets, ServerVersion), Error> {
    let keys = Keys::with(plan, password)?;
    let tcp = TcpStream::connect(&*resolve(host).await?).await?;
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(TCP_KEEPALIVE);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
    login(Box::new(tcp), plan, keys, &host.name).await
}

async fn resolve(host: &Host) -> Result<Vec<SocketAddr>, Error> {
    let unknown = |source| Error::UnknownHost {
        name: host.name.clone(),
        source,
    };
    let found = lookup_host((host.name.as_str(), host.port)).await;
    let addresses: Vec<_> = found.map_err(|error| unknown(Some(error)))?.collect();
    match addresses.is_empty() {
        true => Err(unknown(None)),
        false => Ok(addresses),
    }
}
