//! A connection to the first of the source's hosts that answers.
//!
//! Hosts are tried in order; a definite refusal (wrong password, bad certificate) ends the search, because
//! the next host would only hide it. TLS modes are MySQL's own: `preferred` and `required` do not verify,
//! `verify_ca` verifies the chain, `verify_identity` also the name. Not here: reconnecting.

use std::{error::Error as StdError, sync::Once, time::Duration};

use headwater_actors::failure::{Code, Failure};
use mysql_async::{Conn, DriverError, Error, OptsBuilder, SslOpts};
use tokio::time::timeout;

use super::failure::{failure, io_failure, joined, password_asked};
use super::guard::Guard;
use super::options::{Host, SourcePlan, TlsMode};

/// Of an answer to a query; a GTID set or a list of tables can be long. Events do not come this way.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to the first host that answers.
///
/// # Errors
/// Transient when no host answers; definite when one refuses for good. Names every host that was tried.
pub async fn connect(plan: &SourcePlan) -> Result<Conn, Failure> {
    connect_any(plan).await.map(|(conn, _)| conn)
}

/// The same, with the host that answered.
pub async fn connect_any(plan: &SourcePlan) -> Result<(Conn, Host), Failure> {
    install_crypto_provider();
    ensure_ca_file(plan)?;
    let mut failures: Vec<Failure> = Vec::new();
    for host in &plan.hosts {
        match connect_to(plan, host).await {
            Ok(conn) => return Ok((conn, host.clone())),
            Err(failure) if failure.is_definite() => return Err(failure),
            Err(failure) => failures.push(failure),
        }
    }
    let hint = failures.iter().find_map(|failure| failure.hint.clone());
    let hint = hint.unwrap_or_else(|| UNREACHABLE_HINT.to_owned());
    Err(joined(failures).with_hint(hint))
}

const UNREACHABLE_HINT: &str =
    "check source.url, the network between here and the server, and that the server runs";

fn ensure_ca_file(plan: &SourcePlan) -> Result<(), Failure> {
    let verifies = matches!(plan.tls.mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
    match &plan.tls.ca_file {
        Some(path) if verifies => std::fs::File::open(path).map(drop).map_err(|error| {
            Failure::definite(format!("open CA file \"{}\"", path.display()))
                .because(error)
                .with_hint("set source.tls.ca_file to a PEM file that this process may read")
        }),
        _ => Ok(()),
    }
}

async fn connect_to(plan: &SourcePlan, host: &Host) -> Result<Conn, Failure> {
    let doing = format!("connect to MySQL at {}:{}", host.name, host.port);
    let late = || {
        Failure::transient(format!(
            "{doing}: no answer within {} s",
            plan.connect_timeout.as_secs_f32()
        ))
        .with_code(Code::Late)
    };
    let attempt = async {
        resolve(&doing, host).await?;
        let failed = |error| failure(&doing, &plan.user, error);
        if plan.tls.mode == TlsMode::Disabled {
            return connect_plain(plan, host, &doing).await;
        }
        match Conn::new(opts(plan, host).ssl_opts(ssl_opts(plan))).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer))
                if plan.tls.mode == TlsMode::Preferred =>
            {
                connect_plain(plan, host, &doing).await
            }
            outcome => outcome.map_err(failed),
        }
    };
    timeout(plan.connect_timeout, Box::pin(attempt))
        .await
        .map_err(|_| late())?
}

/// Without TLS.
async fn connect_plain(plan: &SourcePlan, host: &Host, doing: &str) -> Result<Conn, Failure> {
    let failed = |error| failure(doing, &plan.user, error);
    if plan.tls.allow_public_key_retrieval {
        return Conn::new(opts(plan, host)).await.map_err(failed);
    }
    let guard = Guard::before(host)
        .await
        .map_err(|error| io_failure(doing, error))?;
    let opts = opts(plan, host)
        .ip_or_hostname(guard.address.ip().to_string())
        .tcp_port(guard.address.port());
    Conn::new(opts)
        .await
        .map_err(|error| match guard.has_asked() {
            true => password_asked(doing),
            false => failed(error),
        })
}

/// The driver's own message would not say that it is the name.
async fn resolve(doing: &str, host: &Host) -> Result<(), Failure> {
    let unknown = |reason: Box<dyn StdError + Send + Sync>| {
        Failure::transient(format!("{doing}: unknown host \"{}\"", host.name))
            .because(reason)
            .with_hint("check the host's name in source.url and source.hosts, and DNS")
    };
    match tokio::net::lookup_host((host.name.as_str(), host.port)).await {
        Ok(mut addresses) => addresses
            .next()
            .map(drop)
            .ok_or_else(|| unknown("it has no address".into())),
        Err(error) => Err(unknown(error.into())),
    }
}

fn opts(plan: &SourcePlan, host: &Host) -> OptsBuilder {
    let password = (!plan.password.is_empty()).then(|| plan.password.reveal().to_owned());
    OptsBuilder::default()
        .ip_or_hostname(host.name.clone())
        .tcp_port(host.port)
        .user(Some(plan.user.clone()))
        .pass(password)
        .prefer_socket(false)
        .tcp_keepalive(Some(TCP_KEEPALIVE))
        .max_allowed_packet(Some(ANSWER_BYTES_MAX))
}

fn ssl_opts(plan: &SourcePlan) -> Option<SslOpts> {
    let unverified = || {
        SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true)
    };
    let verified = || match &plan.tls.ca_file {
        Some(path) => SslOpts::default()
            .with_disable_built_in_roots(true)
            .with_root_certs(vec![path.clone().into()]),
        None => SslOpts::default(),
    };
    match plan.tls.mode {
        TlsMode::Disabled => None,
        TlsMode::Preferred | TlsMode::Required => Some(unverified()),
        TlsMode::VerifyCa => Some(skipping_the_name(verified())),
        TlsMode::VerifyIdentity => Some(verified()),
    }
}

/// mysql_async takes no verifier from outside, and its own (0.37) looks for "NotValidForName" in rustls's text, which
/// prints the name that was expected instead: so that is the name. The chain is verified before any name, and where
/// the text changes, connections are refused. The dump's own connection compares types (`dump::tls`).
fn skipping_the_name(verified: SslOpts) -> SslOpts {
    verified
        .with_danger_skip_domain_validation(true)
        .with_danger_tls_hostname_override(Some("NotValidForName"))
}

/// rustls takes its cryptography from one place per process; the AWS SDK brings its own.
fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that one is installed already, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    });
}
