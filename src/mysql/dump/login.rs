//! The connection phase: greeting, TLS, password.
//!
//! caching_sha2_password asks for the password itself when the server has not cached its hash: it goes inside
//! TLS as it is, and without TLS, where a setting allows it, under the RSA key that the peer offers. A server may switch the plugin once. Not here:
//! MySQL's sha256_password and clear text plugins, MariaDB's ed25519.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use mysql_common::{
    constants::CapabilityFlags,
    packets::{AuthPlugin, HandshakeResponse, SslRequest},
    proto::MySerialize,
    scramble::{scramble_native, scramble_sha256},
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

use super::{
    error::Error,
    greeting::{Greeting, NONCE_BYTES, ServerVersion, split_at_zero},
    packets::{Packets, Wire},
    tls,
};
use crate::{
    mysql::options::{SourcePlan, TlsMode},
    secret::Secret,
};

/// What we tell the server that we take; it acts on its own settings.
const CLIENT_PACKET_BYTES_MAX: u32 = 1 << 30;
/// utf8mb4_general_ci; with servers before 5.5.3 utf8_general_ci.
const UTF8MB4: u8 = 45;
const UTF8MB3: u8 = 33;

/// Logs in over a fresh TCP connection to the host called `host`.
pub async fn login(
    wire: Box<dyn Wire>,
    plan: &SourcePlan,
    host: &str,
) -> Result<(Packets, ServerVersion), Error> {
    let mut packets = Packets::over(wire, plan.connect_timeout);
    let greeting = Greeting::parse(&packets.answer("greeting").await?)?;
    let offered = greeting.capabilities;
    let is_encrypted = match plan.tls.mode {
        TlsMode::Disabled => false,
        TlsMode::Preferred => offered.contains(CapabilityFlags::CLIENT_SSL),
        _ if offered.contains(CapabilityFlags::CLIENT_SSL) => true,
        _ => return Err(Error::NoTls),
    };
    let mut capabilities = offered
        & (CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH);
    if is_encrypted {
        capabilities.insert(CapabilityFlags::CLIENT_SSL);
        let collation = if greeting.version.number >= (5, 5, 3) {
            UTF8MB4
        } else {
            UTF8MB3
        };
        let request = SslRequest::new(capabilities, CLIENT_PACKET_BYTES_MAX, collation);
        packets.write(&bytes_of(&request)).await?;
        let sequence = packets.sequence();
        let wire = tls::encrypt(packets.into_wire()?, &plan.tls, host).await?;
        packets = Packets::resume(wire, plan.connect_timeout, sequence);
    }
    let version = greeting.version;
    let mut account = Account {
        packets,
        password: &plan.password,
        nonce: greeting.nonce,
        plugin: Plugin::of(&greeting.plugin).unwrap_or(Plugin::Native),
        is_encrypted,
        may_take_key: plan.tls.allow_public_key_retrieval,
    };
    account.introduce(&plan.user, version, capabilities).await?;
    account.prove().await?;
    Ok((account.packets, version))
}

fn bytes_of(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugin {
    Native,
    CachingSha2,
}

impl Plugin {
    fn of(name: &str) -> Result<Self, Error> {
        match name {
            "mysql_native_password" => Ok(Self::Native),
            "caching_sha2_password" => Ok(Self::CachingSha2),
            "mysql_clear_password" => Err(Error::ClearText),
            other => Err(Error::Plugin(other.to_owned())),
        }
    }

    /// Nothing for an empty password.
    fn scramble(self, nonce: &[u8], password: &Secret) -> Vec<u8> {
        let password = password.reveal().as_bytes();
        match self {
            Self::Native => scramble_native(nonce, password).map(Vec::from),
            Self::CachingSha2 => scramble_sha256(nonce, password).map(Vec::from),
        }
        .unwrap_or_default()
    }
}

struct Account<'a> {
    packets: Packets,
    password: &'a Secret,
    nonce: Vec<u8>,
    plugin: Plugin,
    is_encrypted: bool,
    may_take_key: bool,
}

impl Account<'_> {
    async fn introduce(
        &mut self,
        user: &str,
        version: ServerVersion,
        capabilities: CapabilityFlags,
    ) -> Result<(), Error> {
        let plugin = capabilities
            .contains(CapabilityFlags::CLIENT_PLUGIN_AUTH)
            .then_some(match self.plugin {
                Plugin::Native => AuthPlugin::MysqlNativePassword,
                Plugin::CachingSha2 => AuthPlugin::CachingSha2Password,
            });
        let response = HandshakeResponse::new(
            Some(self.plugin.scramble(&self.nonce, self.password)),
            version.number,
            Some(user.as_bytes()),
            None::<Vec<u8>>,
            plugin,
            capabilities,
            None,
            CLIENT_PACKET_BYTES_MAX,
        );
        self.packets.write(&bytes_of(&response)).await
    }

    /// Answers until the server is content.
    async fn prove(&mut self) -> Result<(), Error> {
        const WHAT: &str = "answer to the password";
        let mut may_switch = true;
        loop {
            let packet = self.packets.answer(WHAT).await?;
            match packet.as_slice() {
                [0, ..] => return Ok(()),
                // Before 4.1 passwords were hashed with 16 bytes.
                [0xfe] => return Err(Error::Plugin("mysql_old_password".into())),
                [0xfe, request @ ..] if may_switch => {
                    may_switch = false;
                    self.switch(request).await?;
                }
                // caching_sha2_password: the hash was in the server's cache. OK follows.
                [1, 3] => (),
                [1, 4] if self.plugin == Plugin::CachingSha2 => self.reveal().await?,
                _ => return Err(Error::Unexpected(WHAT)),
            }
        }
    }

    async fn switch(&mut self, request: &[u8]) -> Result<(), Error> {
        let (name, nonce) = split_at_zero(request).unwrap_or((request, &[]));
        self.plugin = Plugin::of(&String::from_utf8_lossy(name))?;
        self.nonce = nonce.to_vec();
        self.nonce.resize(NONCE_BYTES, 0);
        let answer = self.plugin.scramble(&self.nonce, self.password);
        self.packets.write(&answer).await
    }

    /// Sends the password itself, so that nobody else can read it.
    async fn reveal(&mut self) -> Result<(), Error> {
        let mut password = self.password.reveal().as_bytes().to_vec();
        password.push(0);
        if self.is_encrypted {
            return self.packets.write(&password).await;
        }
        if !self.may_take_key {
            return Err(Error::PasswordAsked);
        }
        const ASK_FOR_KEY: &[u8] = &[2];
        const WHAT: &str = "RSA key";
        self.packets.write(ASK_FOR_KEY).await?;
        let answer = self.packets.answer(WHAT).await?;
        let key = answer.strip_prefix(&[1]).ok_or(Error::Unexpected(WHAT))?;
        for (byte, mask) in password.iter_mut().zip(self.nonce.iter().cycle()) {
            *byte ^= mask;
        }
        let sealed = seal(&password, key).ok_or(Error::Unexpected(WHAT))?;
        self.packets.write(&sealed).await
    }
}

/// Under the server's public key, with OAEP padding as OpenSSL does it by default.
fn seal(secret: &[u8], key_pem: &[u8]) -> Option<Vec<u8>> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(key_pem).ok()?;
    let key = PublicEncryptingKey::from_der(&der).ok()?;
    let key = OaepPublicEncryptingKey::new(key).ok()?;
    let mut sealed = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA1_MGF1SHA1, secret, &mut sealed, None)
        .ok()?
        .len();
    sealed.truncate(length);
    Some(sealed)
}

#[cfg(test)]
mod tests;
