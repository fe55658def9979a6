//! Free ports on 127.0.0.1 that stay ours.
//!
//! A port is drawn below the range that the kernel gives to outgoing connections, so that none of them
//! takes it between a server's stop and its start, and is held by a lock file, so that tests in other
//! processes do not draw it too.

use std::{
    fs::{File, OpenOptions},
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, bail};

const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A claimed port; free for others again when dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a port that nobody listens on.
    ///
    /// # Errors
    /// When the lock folder cannot be written, or no port is free in a thousand draws.
    pub fn claim() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join("headwater-ports");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for _ in 0..1000 {
            let number = fastrand::u16(RANGE);
            let path = folder.join(number.to_string());
            let claim = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .with_context(|| format!("open {}", path.display()))?;
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self {
                    number,
                    _claim: claim,
                });
            }
        }
        bail!("no free port in {RANGE:?} on 127.0.0.1");
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
