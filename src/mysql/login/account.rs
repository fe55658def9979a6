//! How an account proves itself: by the plugins that MySQL's own accounts have.
//!
//! mysql_native_password and caching_sha2_password send a hash. caching_sha2_password asks for the password itself
//! while the server does not know the hash, sha256_password always: inside TLS it goes as it is, and without TLS,
//! where a setting allows it, under the RSA key that the peer offers. A server may switch the plugin once; to an
//! account that does not exist MySQL answers with any of the three. mysql_clear_password gets a token, inside TLS, and
//! nothing else. Not here: MariaDB's ed25519.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use mysql_common::{
    constants::CapabilityFlags,
    packets::{AuthPlugin, HandshakeResponse},
    scramble::{scramble_native, scramble_sha256},
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

use super::{
    CLIENT_PACKET_BYTES_MAX, bytes_of,
    greeting::{Greeting, NONCE_BYTES, split_at_zero},
};
use crate::{
    mysql::{error::Error, packets::Packets},
    secret::Secret,
};

pub struct Account<'a> {
    pub packets: Packets,
    pub user: &'a str,
    pub password: &'a Secret,
    /// What is asked for in clear text where an account is one of RDS IAM.
    pub is_token: bool,
    pub is_encrypted: bool,
    /// Without TLS, the key that the peer offers.
    pub may_take_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugin {
    Native,
    CachingSha2,
    Sha256,
    Clear,
}

impl Plugin {
    fn of(name: &str) -> Result<Self, Error> {
        match name {
            "mysql_native_password" => Ok(Self::Native),
            "caching_sha2_password" => Ok(Self::CachingSha2),
            "sha256_password" => Ok(Self::Sha256),
            "mysql_clear_password" => Ok(Self::Clear),
            other => Err(Error::Plugin(other.to_owned())),
        }
    }

    /// To begin with: what it says gives no password away.
    fn first(greeting: &Greeting) -> Self {
        match Self::of(&greeting.plugin) {
            Ok(Self::CachingSha2) => Self::CachingSha2,
            _ => Self::Native,
        }
    }

    /// What the first request for the RSA key is.
    fn key_request(self) -> &'static [u8] {
        match self {
            Self::Sha256 => &[1],
            Self::Native | Self::CachingSha2 | Self::Clear => &[2],
        }
    }
}

/// Who asks, and what the password is hashed with.
struct Exchange {
    plugin: Plugin,
    nonce: Vec<u8>,
}

impl Exchange {
    /// Nothing for an empty password.
    fn hash(&self, password: &Secret) -> Vec<u8> {
        let password = password.reveal().as_bytes();
        match self.plugin {
            Plugin::Native => scramble_native(&self.nonce, password).map(Vec::from),
            Plugin::CachingSha2 => scramble_sha256(&self.nonce, password).map(Vec::from),
            Plugin::Sha256 | Plugin::Clear => None,
        }
        .unwrap_or_default()
    }
}

impl Account<'_> {
    /// Goes on until the server is content.
    pub async fn log_in(
        mut self,
        greeting: Greeting,
        capabilities: CapabilityFlags,
    ) -> Result<Packets, Error> {
        const WHAT: &str = "answer to the password";
        let mut exchange = Exchange {
            plugin: Plugin::first(&greeting),
            nonce: greeting.nonce,
        };
        self.introduce(&exchange, greeting.version.number, capabilities)
            .await?;
        let mut may_switch = true;
        loop {
            let packet = self.packets.answer(WHAT).await?;
            match packet.as_slice() {
                [0, ..] => return Ok(self.packets),
                // Before 4.1 passwords were hashed with 16 bytes.
                [0xfe] => return Err(Error::Plugin("mysql_old_password".into())),
                [0xfe, request @ ..] if may_switch => {
                    may_switch = false;
                    exchange = self.switch(request).await?;
                }
                // caching_sha2_password: the hash was in the server's cache. OK follows.
                [1, 3] if exchange.plugin == Plugin::CachingSha2 => (),
                [1, 4] if exchange.plugin == Plugin::CachingSha2 => self.reveal(&exchange).await?,
                _ => return Err(Error::Unexpected(WHAT)),
            }
        }
    }

    async fn introduce(
        &mut self,
        exchange: &Exchange,
        version: (u16, u16, u16),
        capabilities: CapabilityFlags,
    ) -> Result<(), Error> {
        let plugin = capabilities
            .contains(CapabilityFlags::CLIENT_PLUGIN_AUTH)
            .then_some(match exchange.plugin {
                Plugin::CachingSha2 => AuthPlugin::CachingSha2Password,
                Plugin::Native | Plugin::Sha256 | Plugin::Clear => AuthPlugin::MysqlNativePassword,
            });
        let response = HandshakeResponse::new(
            Some(exchange.hash(self.password)),
            version,
            Some(self.user.as_bytes()),
            None::<Vec<u8>>,
            plugin,
            capabilities,
            None,
            CLIENT_PACKET_BYTES_MAX,
        );
        self.packets.write(&bytes_of(&response)).await
    }

    async fn switch(&mut self, request: &[u8]) -> Result<Exchange, Error> {
        let (name, nonce) = split_at_zero(request).unwrap_or((request, &[]));
        let mut exchange = Exchange {
            plugin: Plugin::of(&String::from_utf8_lossy(name))?,
            nonce: nonce.to_vec(),
        };
        exchange.nonce.resize(NONCE_BYTES, 0);
        match exchange.plugin {
            Plugin::Sha256 => self.reveal(&exchange).await?,
            Plugin::Clear if self.is_token && self.is_encrypted => self.reveal(&exchange).await?,
            Plugin::Clear => return Err(Error::ClearText),
            Plugin::Native | Plugin::CachingSha2 => {
                self.packets.write(&exchange.hash(self.password)).await?;
            }
        }
        Ok(exchange)
    }

    /// Sends the password itself, so that nobody else can read it.
    async fn reveal(&mut self, exchange: &Exchange) -> Result<(), Error> {
        let mut password = self.password.reveal().as_bytes().to_vec();
        password.push(0);
        if self.is_encrypted || self.password.is_empty() {
            return self.packets.write(&password).await;
        }
        if !self.may_take_key {
            return Err(Error::PasswordAsked);
        }
        const WHAT: &str = "RSA key";
        self.packets.write(exchange.plugin.key_request()).await?;
        let answer = self.packets.answer(WHAT).await?;
        let key = answer.strip_prefix(&[1]).ok_or(Error::Unexpected(WHAT))?;
        for (byte, mask) in password.iter_mut().zip(exchange.nonce.iter().cycle()) {
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
