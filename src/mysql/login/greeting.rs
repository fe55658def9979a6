//! The first packet of a connection: who the server is and what it can do.
//!
//! MariaDB puts `5.5.5-` before its version, for old clients. Servers before 5.5.7 name no plugin: they mean
//! mysql_native_password.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>

use mysql_common::constants::CapabilityFlags;

use crate::mysql::error::Error;

/// Random bytes that a password is hashed with.
pub const NONCE_BYTES: usize = 20;
const NATIVE: &str = "mysql_native_password";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    pub version: ServerVersion,
    pub capabilities: CapabilityFlags,
    pub nonce: Vec<u8>,
    pub plugin: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerVersion {
    pub is_mariadb: bool,
    pub number: (u16, u16, u16),
}

impl Greeting {
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        Self::fields(packet).ok_or(Error::Unexpected("greeting"))
    }

    fn fields(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(&[10])?;
        let (version, rest) = split_at_zero(rest)?;
        let (_thread, rest) = rest.split_first_chunk::<4>()?;
        let (salt, rest) = rest.split_first_chunk::<8>()?;
        let (_filler, rest) = rest.split_first()?;
        let (low, rest) = rest.split_first_chunk::<2>()?;
        // Character set and status, one and two bytes; absent in the oldest.
        let (high, rest) = rest.get(3..)?.split_first_chunk::<2>()?;
        let [low, upper] = [low, high].map(|half| u32::from(u16::from_le_bytes(*half)));
        let capabilities = CapabilityFlags::from_bits_truncate(low | upper << 16);
        // Length of the salt, ten reserved bytes, then the rest of the salt: 12 bytes and a zero.
        let (salt_bytes, rest) = rest.split_first()?;
        let rest = rest.get(10..)?;
        let more = usize::from(*salt_bytes).saturating_sub(salt.len()).max(13);
        let (second, rest) = rest.split_at_checked(more).unwrap_or((rest, &[]));
        let mut nonce = [&salt[..], second].concat();
        nonce.resize(NONCE_BYTES, 0);
        let plugin = split_at_zero(rest).map_or(rest, |(plugin, _)| plugin);
        let is_named = capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH);
        Some(Self {
            version: ServerVersion::parse(&String::from_utf8_lossy(version)),
            capabilities,
            nonce,
            plugin: if is_named && !plugin.is_empty() {
                String::from_utf8_lossy(plugin).into_owned()
            } else {
                NATIVE.to_owned()
            },
        })
    }
}

impl ServerVersion {
    pub fn parse(text: &str) -> Self {
        let is_mariadb = text.contains("MariaDB");
        let text = match text.strip_prefix("5.5.5-") {
            Some(own) if is_mariadb => own,
            _ => text,
        };
        let mut numbers = text
            .split(|letter: char| !letter.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            is_mariadb,
            number: (next(), next(), next()),
        }
    }
}

/// Before and behind the first zero.
pub fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeting(version: &str, capabilities: u32, tail: &[u8]) -> Vec<u8> {
        let mut packet = vec![10];
        packet.extend(version.as_bytes());
        packet.extend([0, 7, 0, 0, 0]);
        packet.extend(b"12345678\0");
        packet.extend(&capabilities.to_le_bytes()[..2]);
        packet.extend([8, 2, 0]);
        packet.extend(&capabilities.to_le_bytes()[2..]);
        packet.push(21);
        packet.extend([0; 10]);
        packet.extend(tail);
        packet
    }

    #[test]
    fn the_plugin_and_all_of_the_nonce_are_read() {
        let flags = CapabilityFlags::CLIENT_PLUGIN_AUTH | CapabilityFlags::CLIENT_SSL;
        let packet = greeting(
            "9.7.0-2",
            flags.bits(),
            b"901234567890\0caching_sha2_password\0",
        );
        let read = Greeting::parse(&packet).expect("a greeting");
        assert_eq!(read.nonce, b"12345678901234567890");
        assert_eq!(read.plugin, "caching_sha2_password");
        assert_eq!(read.version.number, (9, 7, 0));
        assert!(read.capabilities.contains(CapabilityFlags::CLIENT_SSL));
    }

    #[test]
    fn an_old_server_without_plugins_means_the_native_password() {
        let packet = greeting("5.5.5-m3", 0xf7ff, b"901234567890\0");
        let read = Greeting::parse(&packet).expect("a greeting");
        assert_eq!(read.plugin, NATIVE);
        assert_eq!(read.nonce.len(), NONCE_BYTES);
        assert_eq!(read.version.number, (5, 5, 5));
    }

    #[test]
    fn mariadb_is_known_by_its_own_version() {
        let version = ServerVersion::parse("5.5.5-10.11.6-MariaDB-0+deb12u1-log");
        assert!(version.is_mariadb);
        assert_eq!(version.number, (10, 11, 6));
        assert!(!ServerVersion::parse("8.0.36").is_mariadb);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            drop(Greeting::parse(&bytes));
            drop(Greeting::parse(&greeting("8", u32::MAX, &tail)));
        }
    }
}
