//! A warehouse that is asked: Redshift or PostgreSQL, by PostgreSQL's protocol.
//!
//! Statements go as text and values come as text, which both understand. A connection has TLS, with chain and name
//! verified, unless the settings turn it off. Rows are handed over while they come. What is asked stands in
//! `headwater-warehouse`; nothing is written there.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::TryStreamExt;
use headwater_actors::failure::Failure;
use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider};
use tokio::time::timeout;
use tokio_postgres::{
    Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    certificates,
    options::{Error, optional},
    password::{Door, Password},
};

/// Of Redshift.
const PORT: u16 = 5439;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two rows, too: a query of Redshift may be compiled, or wait in a queue.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
const URL: &str = "warehouse.url";
const SHAPE: &str = "write postgres://USER@HOST:PORT/DATABASE";

/// Where it is, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Password,
    pub tls: Tls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    Disabled,
    /// `None`: the authorities that browsers trust.
    Verified(Option<PathBuf>),
}

/// What a URL says, without its password.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<String>,
}

/// No error repeats the text: a password may stand there.
pub fn address(text: &str) -> Result<Address, Error> {
    let wrong = |problem: &str| Error::new(URL, problem, SHAPE);
    let parsed: Config = match text.starts_with("postgres://") || text.starts_with("postgresql://")
    {
        true => text.parse().map_err(|_| wrong("cannot be read"))?,
        false => return Err(wrong("does not begin with postgres://")),
    };
    if parsed.get_ssl_mode() != SslMode::Prefer || text.contains('?') {
        return Err(Error::new(
            URL,
            "goes on after the database",
            "remove it: TLS is chosen by warehouse.tls",
        ));
    }
    let host = match parsed.get_hosts() {
        [Host::Tcp(host)] => host.clone(),
        _ => return Err(wrong("names no host, or several")),
    };
    let password = parsed
        .get_password()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Ok(Address {
        host,
        port: match names_port(text) {
            true => parsed.get_ports().first().copied().unwrap_or(PORT),
            false => PORT,
        },
        database: parsed
            .get_dbname()
            .and_then(optional)
            .ok_or_else(|| wrong("names no database"))?
            .to_owned(),
        user: parsed
            .get_user()
            .and_then(optional)
            .ok_or_else(|| wrong("names no user"))?
            .to_owned(),
        password,
    })
}

/// Without one the parser takes that of PostgreSQL.
fn names_port(url: &str) -> bool {
    let place = url.rsplit('@').next().unwrap_or_default();
    let authority = place.split('/').next().unwrap_or_default();
    // Behind an address of IPv6.
    let end = authority.rsplit(']').next().unwrap_or_default();
    end.contains(':')
}

/// A connection.
pub struct Warehouse {
    client: Client,
    place: String,
}

impl Target {
    fn place(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }

    /// # Errors
    /// Transient when nobody answers; definite when the warehouse does not let us in, or is not who it should be.
    pub async fn connect(&self, session: &str) -> Result<Warehouse, Failure> {
        let place = self.place();
        let doing = format!("connect to the warehouse {place}");
        let door = Door {
            host: &self.host,
            port: self.port,
            user: &self.user,
        };
        let password = self.password.read(door).await?;
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .password(password.reveal())
            .application_name("headwater")
            .connect_timeout(CONNECT_TIMEOUT);
        let client = match &self.tls {
            Tls::Disabled => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = within(&doing, config.connect(NoTls)).await?;
                tokio::spawn(carry(connection));
                client
            }
            Tls::Verified(authorities) => {
                config.ssl_mode(SslMode::Require);
                let tls = MakeRustlsConnect::new(
                    client_config(authorities.as_deref())
                        .map_err(|failure| failure.within(&doing))?,
                );
                let (client, connection) = within(&doing, config.connect(tls)).await?;
                tokio::spawn(carry(connection));
                client
            }
        };
        let warehouse = Warehouse { client, place };
        warehouse.rows(session, |_| Ok(())).await?;
        Ok(warehouse)
    }
}

async fn within<T>(
    doing: &str,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match timeout(CONNECT_TIMEOUT, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(classed(doing, error)),
        Err(_) => Err(Failure::transient(format!(
            "{doing}: no answer within {CONNECT_TIMEOUT:?}"
        ))),
    }
}

/// Moves the bytes of one connection; its client tells of what goes wrong.
async fn carry<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if let Err(error) = connection.await {
        tracing::debug!(%error, "the connection to the warehouse ended");
    }
}

fn client_config(authorities: Option<&Path>) -> Result<ClientConfig, Failure> {
    let roots = certificates::authorities(authorities).map_err(|error| {
        Failure::definite("TLS").because(error).with_hint(
            "let warehouse.tls.ca_file name a PEM file of certificates that this process can read",
        )
    })?;
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::definite("TLS").because(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Warehouse {
    /// Hands over each row of all statements in `sql`, values as text.
    ///
    /// # Errors
    /// When a statement fails, when nothing comes for ten minutes, or with what `take` says.
    pub async fn rows(
        &self,
        sql: &str,
        mut take: impl FnMut(&SimpleQueryRow) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let doing = format!("ask the warehouse {}", self.place);
        let late =
            || Failure::transient(format!("{doing}: nothing came within {ANSWER_TIMEOUT:?}"));
        let asked = timeout(ANSWER_TIMEOUT, self.client.simple_query_raw(sql))
            .await
            .map_err(|_| late())?;
        let mut messages = pin!(asked.map_err(|error| classed(&doing, error))?);
        loop {
            let next = timeout(ANSWER_TIMEOUT, messages.try_next())
                .await
                .map_err(|_| late())?;
            match next.map_err(|error| classed(&doing, error))? {
                Some(SimpleQueryMessage::Row(row)) => take(&row)?,
                Some(_) => (),
                None => return Ok(()),
            }
        }
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// As [`Warehouse::rows`].
    pub async fn value(&self, sql: &str) -> Result<Option<String>, Failure> {
        let mut value = None;
        self.rows(sql, |row| {
            value = value.take().or_else(|| row.get(0).map(str::to_owned));
            Ok(())
        })
        .await?;
        Ok(value)
    }
}

/// By the code that the server gave. <https://www.postgresql.org/docs/15/errcodes-appendix.html>
fn classed(doing: &str, error: tokio_postgres::Error) -> Failure {
    let code = error.code().cloned();
    let hint = match &code {
        Some(code)
            if [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            ]
            .contains(code) =>
        {
            "set the password: warehouse.password_file, warehouse.password_secret or HEADWATER__WAREHOUSE__PASSWORD; and the user in warehouse.url"
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
            "name a database that is there in warehouse.url"
        }
        Some(code)
            if [
                SqlState::UNDEFINED_TABLE,
                SqlState::UNDEFINED_COLUMN,
                SqlState::INVALID_SCHEMA_NAME,
            ]
            .contains(code) =>
        {
            "apply the generated SQL to this warehouse; after an ALTER see headwater warehouse --diff"
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "GRANT USAGE on the schemas and SELECT on their tables to the user"
        }
        _ => "",
    };
    let failure = match hint {
        "" => Failure::transient(doing).because(error),
        hint => Failure::definite(doing).because(error).with_hint(hint),
    };
    match hint.is_empty() && code.is_none() {
        true => failure.with_hint("let warehouse.url name a host that this process can reach; a certificate that is not trusted needs warehouse.tls.ca_file"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_as_whom() {
        let found = address("postgres://ana:s%40lt@red.example:5555/shop").expect("an address");
        let expected = Address {
            host: "red.example".into(),
            port: 5555,
            database: "shop".into(),
            user: "ana".into(),
            password: Some("s@lt".into()),
        };
        assert_eq!(found, expected);
        for (url, port) in [
            ("postgres://ana@red/shop", PORT),
            ("postgres://ana@[::1]/shop", PORT),
            ("postgres://ana@[::1]:7/shop", 7),
            ("postgres://ana:a%2Fb@red/shop", PORT),
        ] {
            assert_eq!(address(url).expect("an address").port, port, "{url}");
        }
    }

    #[test]
    fn an_address_that_lacks_something_is_refused_and_not_repeated() {
        for (text, problem) in [
            ("mysql://ana:salt@red/shop", "does not begin"),
            ("postgres://ana:salt@red", "names no database"),
            ("postgres://red/shop", "names no user"),
            ("postgres://ana:salt@red,blue/shop", "several"),
            (
                "postgres://ana:salt@red/shop?sslmode=disable",
                "after the database",
            ),
        ] {
            let error = address(text).expect_err(text);
            assert_eq!(error.key, URL);
            assert!(
                error.message.contains(problem) && !error.message.contains("salt"),
                "{error}"
            );
        }
    }
}
