//! Prepared statements, whose rows are kept as the server sends them: the binary protocol, not decoded.
//!
//! A client of few words for servers of one's own: an account without a password, no TLS, one statement at a time.

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const PACKET_BYTES_MAX: usize = 0xff_ffff;
const UTF8MB4: u8 = 45;
/// LONG_PASSWORD, LONG_FLAG, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 1 | 4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const COM_QUERY: u8 = 3;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;

#[derive(Debug)]
pub struct Prepared {
    stream: BufReader<TcpStream>,
    sequence: u8,
}

/// What a statement gave.
#[derive(Debug, Default)]
pub struct Rows {
    /// The type byte of each column.
    pub types: Vec<u8>,
    /// Each with its header byte.
    pub rows: Vec<Vec<u8>>,
}

impl Prepared {
    /// # Errors
    /// When the server cannot be reached or refuses the account.
    pub async fn connect(port: u16, user: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut client = Self {
            stream: BufReader::with_capacity(1 << 20, stream),
            sequence: 0,
        };
        client.packet().await.context("the greeting")?;
        let mut login = Vec::new();
        login.extend(CAPABILITIES.to_le_bytes());
        login.extend((1_u32 << 30).to_le_bytes());
        login.push(UTF8MB4);
        login.extend([0; 23]);
        login.extend(user.as_bytes());
        // No password, by whatever plugin.
        login.extend(b"\0\0mysql_native_password\0");
        client.send(&login).await?;
        loop {
            let answer = client.packet().await.context("the answer to the login")?;
            match answer.first() {
                Some(0) => return Ok(client),
                Some(1) => {}
                Some(0xfe) => client.send(&[]).await?,
                _ => bail!("the login: {}", message(&answer)),
            }
        }
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Errors
    /// What the server says.
    pub async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        self.command(COM_QUERY, sql.as_bytes()).await?;
        let answer = self.packet().await?;
        ensure!(answer.first() == Some(&0), "{sql}: {}", message(&answer));
        Ok(())
    }

    /// Prepares a SELECT and runs it once.
    ///
    /// # Errors
    /// What the server says.
    pub async fn select(&mut self, sql: &str) -> anyhow::Result<Rows> {
        self.command(COM_STMT_PREPARE, sql.as_bytes()).await?;
        let answer = self.packet().await?;
        let (id, columns) = match answer.as_slice() {
            [0, a, b, c, d, low, high, ..] => ([*a, *b, *c, *d], u16::from_le_bytes([*low, *high])),
            other => bail!("{sql}: {}", message(other)),
        };
        for _ in 0..=columns {
            self.packet().await?;
        }
        // No cursor, once, no parameters.
        self.command(COM_STMT_EXECUTE, &[&id[..], &[0, 1, 0, 0, 0]].concat())
            .await?;
        let answer = self.packet().await?;
        ensure!(answer.first() != Some(&0xff), "{sql}: {}", message(&answer));
        let mut rows = Rows::default();
        for _ in 0..columns {
            let definition = self.packet().await?;
            rows.types
                .push(type_byte(&definition).context("a column's definition")?);
        }
        self.packet().await?;
        loop {
            let row = self.packet().await?;
            match row.first() {
                Some(0) => rows.rows.push(row),
                Some(0xfe) => break,
                _ => bail!("{sql}: {}", message(&row)),
            }
        }
        self.command(COM_STMT_CLOSE, &id).await?;
        Ok(rows)
    }

    async fn command(&mut self, command: u8, rest: &[u8]) -> anyhow::Result<()> {
        self.sequence = 0;
        self.send(&[&[command], rest].concat()).await
    }

    async fn send(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        ensure!(payload.len() < PACKET_BYTES_MAX, "a statement above 16 MiB");
        let [a, b, c, _] = u32::try_from(payload.len())?.to_le_bytes();
        let head = [a, b, c, self.sequence];
        self.stream.write_all(&[&head, payload].concat()).await?;
        Ok(())
    }

    /// One payload, which may go over several packets.
    async fn packet(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head).await?;
            let [a, b, c, sequence] = head;
            self.sequence = sequence.wrapping_add(1);
            let length = u32::from_le_bytes([a, b, c, 0]) as usize;
            let begin = payload.len();
            payload.resize(begin + length, 0);
            self.stream.read_exact(&mut payload[begin..]).await?;
            if length < PACKET_BYTES_MAX {
                return Ok(payload);
            }
        }
    }
}

/// Behind six texts: a length, the character set, the column's length.
fn type_byte(definition: &[u8]) -> Option<u8> {
    let mut rest = definition;
    for _ in 0..6 {
        let (length, behind) = rest.split_first()?;
        let (length, behind) = match length {
            0xfc => {
                let (two, behind) = behind.split_first_chunk::<2>()?;
                (usize::from(u16::from_le_bytes(*two)), behind)
            }
            length => (usize::from(*length), behind),
        };
        rest = behind.get(length..)?;
    }
    rest.get(7).copied()
}

/// What an error packet says.
fn message(packet: &[u8]) -> String {
    String::from_utf8_lossy(packet.get(3..).unwrap_or(packet)).into_owned()
}
