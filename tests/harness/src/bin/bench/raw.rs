//! The least that anyone can do to read a table: prepared statements over plain connections, rows thrown away.
//!
//! Packets are walked by their heads, values are never looked at: what this takes is what the server takes.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase_ps.html>

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
/// CLIENT_LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000;
const BUFFER_BYTES: usize = 256 << 10;
const ERROR: u8 = 0xff;
const END: u8 = 0xfe;
const END_BYTES_MAX: usize = 9;

/// Each statement over a connection of its own, side by side; rows of all, and how long it took.
pub fn read(port: u16, statements: &[String]) -> anyhow::Result<(u64, Duration)> {
    let begun = Instant::now();
    let readers: Vec<_> = statements
        .iter()
        .map(|sql| {
            let sql = sql.clone();
            std::thread::spawn(move || Raw::connect(port)?.rows_of(&sql))
        })
        .collect();
    let mut rows = 0;
    for reader in readers {
        rows += reader
            .join()
            .map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    }
    Ok((rows, begun.elapsed()))
}

struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// As `root`, who has no password.
    fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect")?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        let mut raw = Self {
            stream: BufReader::with_capacity(BUFFER_BYTES, stream),
        };
        raw.packet()?;
        let mut login = CAPABILITIES.to_le_bytes().to_vec();
        login.extend((1_u32 << 24).to_le_bytes());
        login.push(255);
        login.extend([0; 23]);
        login.extend(b"root\0\0caching_sha2_password\0");
        raw.send(1, &login)?;
        loop {
            let answer = raw.packet()?;
            match answer.first() {
                Some(0) => return Ok(raw),
                // The fast path of the same plugin.
                Some(1) => (),
                _ => bail!("no login: {}", String::from_utf8_lossy(&answer)),
            }
        }
    }

    fn rows_of(&mut self, sql: &str) -> anyhow::Result<u64> {
        let command = [&[COM_STMT_PREPARE], sql.as_bytes()].concat();
        self.send(0, &command)?;
        let answer = self.packet()?;
        let [0, i0, i1, i2, i3, c0, c1, ..] = *answer else {
            bail!("`{sql}`: {}", String::from_utf8_lossy(&answer));
        };
        let columns = u16::from_le_bytes([c0, c1]);
        // And an end.
        for _ in 0..=columns {
            self.packet()?;
        }
        let mut execute = vec![COM_STMT_EXECUTE, i0, i1, i2, i3, 0];
        execute.extend(1_u32.to_le_bytes());
        self.send(0, &execute)?;
        for _ in 0..columns + 2 {
            let packet = self.packet()?;
            ensure!(packet.first() != Some(&ERROR), "`{sql}` failed");
        }
        let mut rows = 0;
        loop {
            let (first, length) = self.skip()?;
            match first {
                END if length < END_BYTES_MAX => return Ok(rows),
                ERROR => bail!("`{sql}` failed in the middle"),
                _ => rows += 1,
            }
        }
    }

    fn send(&mut self, sequence: u8, payload: &[u8]) -> anyhow::Result<()> {
        let length = u32::try_from(payload.len()).context("a long packet")?;
        let [low, middle, high, _] = length.to_le_bytes();
        let packet = [&[low, middle, high, sequence], payload].concat();
        self.stream.get_mut().write_all(&packet).context("send")
    }

    fn packet(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut payload = vec![0; self.head()?];
        self.stream.read_exact(&mut payload).context("receive")?;
        Ok(payload)
    }

    fn head(&mut self) -> anyhow::Result<usize> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).context("receive")?;
        let [low, middle, high, _] = head;
        Ok(u32::from_le_bytes([low, middle, high, 0]) as usize)
    }

    /// The first byte of a packet, and its length.
    fn skip(&mut self) -> anyhow::Result<(u8, usize)> {
        let length = self.head()?;
        let (mut first, mut left) = (None, length);
        while 0 < left {
            let there = self.stream.fill_buf().context("receive")?;
            ensure!(!there.is_empty(), "the server hung up");
            first = first.or_else(|| there.first().copied());
            let taken = left.min(there.len());
            self.stream.consume(taken);
            left -= taken;
        }
        Ok((first.unwrap_or_default(), length))
    }
}
