//! The connection phase, one for all connections to a server: greeting, TLS, then the account.
//!
//! How a password goes is the [`account`]'s, what is encrypted and verified is [`tls`]'s. A refusal is told with what
//! this connection had to show ([`Shown`]), because a server says "access denied" also where it wants TLS or a
//! client's certificate. Not here: what is asked over the connection.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

mod account;
mod greeting;
mod tls;

use mysql_common::{constants::CapabilityFlags, packets::SslRequest, proto::MySerialize};

use tokio_rustls::TlsConnector;

use self::{account::Account, greeting::Greeting};
use super::{
    error::{Error, Link, Shown},
    options::{SourcePlan, TlsMode},
    packets::{Packets, Wire},
};
use crate::secret::Secret;

pub use self::greeting::ServerVersion;

/// What we tell the server that we take; it acts on its own settings.
const CLIENT_PACKET_BYTES_MAX: u32 = 1 << 30;
/// utf8mb4_general_ci; with servers before 5.5.3 utf8_general_ci.
const UTF8MB4: u8 = 45;
const UTF8MB3: u8 = 33;

/// What may have changed since the last connection.
pub struct Keys {
    password: Secret,
    /// The password is a token: it may go as it is, inside TLS.
    is_token: bool,
    /// None with TLS disabled.
    connector: Option<TlsConnector>,
}

impl Keys {
    /// With the certificates, which are read now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn with(plan: &SourcePlan, password: Secret) -> Result<Self, Error> {
        let connector = match plan.tls.mode {
            TlsMode::Disabled => None,
            _ => Some(tls::connector(&plan.tls)?),
        };
        Ok(Self {
            password,
            is_token: plan.password.is_token(),
            connector,
        })
    }
}

/// Logs in over a fresh TCP connection to the host called `host`.
pub async fn login(
    wire: Box<dyn Wire>,
    plan: &SourcePlan,
    keys: Keys,
    host: &str,
) -> Result<(Packets, ServerVersion), Error> {
    let mut packets = Packets::over(wire, plan.connect_timeout);
    let greeting = Greeting::parse(&packets.answer("greeting").await?)?;
    let offered = greeting.capabilities;
    let is_offered = offered.contains(CapabilityFlags::CLIENT_SSL);
    let connector = match plan.tls.mode {
        TlsMode::Disabled | TlsMode::Preferred => keys.connector.filter(|_| is_offered),
        _ if is_offered => keys.connector,
        _ => return Err(Error::NoTls),
    };
    let is_encrypted = connector.is_some();
    // No LOCAL_FILES: a server could ask for any file of ours.
    let mut capabilities = offered
        & (CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH);
    let mut link = Link::Plain;
    if let Some(connector) = connector {
        capabilities.insert(CapabilityFlags::CLIENT_SSL);
        let collation = if greeting.version.number >= (5, 5, 3) {
            UTF8MB4
        } else {
            UTF8MB3
        };
        let request = SslRequest::new(capabilities, CLIENT_PACKET_BYTES_MAX, collation);
        packets.write(&bytes_of(&request)).await?;
        let sequence = packets.sequence();
        let wire = tls::encrypt(packets.into_wire()?, connector, host).await?;
        packets = Packets::resume(wire, plan.connect_timeout, sequence);
        link = match plan.tls.client {
            None => Link::Tls,
            Some(_) => Link::Certificate,
        };
    }
    let version = greeting.version;
    let account = Account {
        packets,
        user: &plan.user,
        password: &keys.password,
        is_token: keys.is_token,
        is_encrypted,
        may_take_key: plan.tls.allow_public_key_retrieval,
    };
    match account.log_in(greeting, capabilities).await {
        Ok(packets) => Ok((packets, version)),
        Err(Error::Server(said)) => {
            let shown = Shown {
                has_password: !keys.password.is_empty(),
                password_key: plan.password.key(),
                link,
            };
            Err(Error::Refused { said, shown })
        }
        Err(error) => Err(error),
    }
}

fn bytes_of(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
