//! What Headwater makes of a server's log: the file that the server writes, through the product's own
//! reader, assembler and encoder. Each ask gives what has been logged since the last.

use std::{fs::File, io::BufReader};

use headwater::encode::native::{NativeEncoder, NativeField, NativePlan};
use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent};
use headwater_binlog::{
    assembler::{AssembleError, Assembler, Item, Settings},
    ddl::Subject,
    file::BinlogFile,
    gtid::Uuid,
    position::FileName,
    rows::{RowsBlock, RowsKind},
    schema::TableName,
    transaction::Statement,
};
use headwater_harness::mysql::MySql;

use crate::{flat, oracle::Oracle};

const SERVER: Uuid = Uuid([7; 16]);
const EVENT_BYTES_MAX: usize = 1 << 30;

/// One row change, as a line.
#[derive(Debug)]
pub struct Change {
    pub kind: RowsKind,
    pub table: TableName,
    pub line: String,
}

#[derive(Debug)]
pub enum Logged {
    Row(Change),
    Statement { statement: Statement, line: String },
}

pub struct Log {
    file: BinlogFile<BufReader<File>>,
    assembler: Assembler,
    encoder: NativeEncoder,
    /// The same with flat lines.
    flat: NativeEncoder,
    /// It does not know MariaDB's events.
    oracle: Option<Oracle>,
}

impl Log {
    /// Stands behind what the server has logged by now.
    pub fn open(server: &MySql) -> Self {
        Self::begin(server, Some(Oracle::new()))
    }

    /// The same for values that nobody compares.
    pub fn of_statements(server: &MySql) -> Self {
        Self::begin(server, None)
    }

    fn begin(server: &MySql, oracle: Option<Oracle>) -> Self {
        let path = server
            .binlog_files()
            .expect("the log's files")
            .pop()
            .expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy();
        let name = FileName::parse(&name).expect("a log's name");
        let reader = BufReader::with_capacity(1 << 20, File::open(&path).expect("a readable file"));
        let mut log = Self {
            file: BinlogFile::open(reader, EVENT_BYTES_MAX).expect("a binlog file"),
            assembler: Assembler::new(name, 4),
            encoder: NativeEncoder::new(SERVER),
            flat: flat::twin(&NativeEncoder::new(SERVER), &NativePlan::default()),
            oracle,
        };
        log.read();
        log
    }

    /// From now on lines are written by another encoder than the plain one.
    pub fn write_by(&mut self, encoder: NativeEncoder) {
        self.flat = flat::twin(&encoder, &NativePlan::default());
        self.encoder = encoder;
    }

    /// The rows events that have been logged since the last call.
    pub fn blocks(&mut self) -> Vec<RowsBlock> {
        let mut blocks = Vec::new();
        let mut items = Vec::new();
        while let Some(event) = self.file.next_event().unwrap_or_else(|error| fail(&error)) {
            self.assembler
                .push(event.bytes, &mut items)
                .unwrap_or_else(|error| fail(&error));
            for item in items.drain(..) {
                if let Item::Rows(block) = item {
                    blocks.push(block);
                }
            }
        }
        blocks
    }

    /// Its rows, each as a line.
    pub fn lines(&self, block: &RowsBlock) -> Vec<String> {
        let mut logged = Vec::new();
        self.encode(block, &mut logged);
        let line = |logged| match logged {
            Logged::Row(change) => change.line,
            Logged::Statement { statement, .. } => panic!("a statement: {}", statement.text),
        };
        logged.into_iter().map(line).collect()
    }

    /// All that has been logged since the last call.
    pub fn read(&mut self) -> Vec<Logged> {
        let mut logged = Vec::new();
        let mut items = Vec::new();
        while let Some(event) = self.file.next_event().unwrap_or_else(|error| fail(&error)) {
            if let Some(oracle) = &mut self.oracle {
                oracle.begin_event(&event.bytes);
            }
            self.assembler
                .push(event.bytes, &mut items)
                .unwrap_or_else(|error| fail(&error));
            for item in items.drain(..) {
                match item {
                    Item::Rows(block) => {
                        if let Some(oracle) = &mut self.oracle {
                            oracle.agree(&block);
                        }
                        self.encode(&block, &mut logged);
                    }
                    Item::Statement(statement) => {
                        let line = self.encode_statement(&statement);
                        logged.push(Logged::Statement { statement, line });
                    }
                    Item::Commit(_) | Item::Moved(_) => {}
                }
            }
        }
        logged
    }

    /// From now on lines carry the statements' text.
    pub fn keep_queries(&mut self) {
        self.set_keeps_queries(true);
        let plan = NativePlan {
            fields: NativeField::ALL.to_vec(),
            ..NativePlan::default()
        };
        self.encoder = NativeEncoder::new(SERVER).with_fields(&plan);
        self.flat = flat::twin(&self.encoder, &plan);
    }

    /// They could, and the log's reader does not give them.
    pub fn forget_queries(&mut self) {
        self.set_keeps_queries(false);
    }

    fn set_keeps_queries(&mut self, keeps_queries: bool) {
        let settings = Settings {
            framing: self.assembler.framing().clone(),
            keeps_queries,
            ..Settings::default()
        };
        self.assembler = Assembler::with_settings(self.assembler.position().clone(), settings);
    }

    /// As [`Log::read`], up to the first event that cannot be followed.
    pub fn refused(&mut self) -> AssembleError {
        let mut items = Vec::new();
        loop {
            let event = self.file.next_event().unwrap_or_else(|error| fail(&error));
            let event = event.expect("an event that is refused");
            if let Err(error) = self.assembler.push(event.bytes, &mut items) {
                return error;
            }
        }
    }

    /// How many values mysql_common has been asked about.
    pub fn values_agreed(&self) -> u64 {
        self.oracle.as_ref().map_or(0, |oracle| oracle.values)
    }

    /// The changes of [`Log::read`], where no statement can be.
    pub fn changes(&mut self) -> Vec<Change> {
        let only_rows = |logged| match logged {
            Logged::Row(change) => change,
            Logged::Statement { statement, .. } => panic!("a statement: {}", statement.text),
        };
        self.read().into_iter().map(only_rows).collect()
    }

    fn encode(&self, block: &RowsBlock, logged: &mut Vec<Logged>) {
        let [mut nested, mut flat] = [&self.encoder, &self.flat].map(|encoder| {
            let mut encoder = encoder.plan(&block.table);
            encoder.block(block, 1);
            encoder
        });
        for (n, row) in (block.first_row..).zip(block.rows()) {
            let (_, row) = row.unwrap_or_else(|error| fail(&error));
            let event = RowEvent {
                block,
                row,
                n,
                last: false,
            };
            let [line, flat] = [&mut nested, &mut flat].map(|encoder| {
                let mut line = Vec::new();
                let written = encoder.row(&event, &mut line);
                written.unwrap_or_else(|error| fail(&error));
                String::from_utf8(line).expect("lines are UTF-8")
            });
            flat::ensure_same(&line, &flat);
            logged.push(Logged::Row(Change {
                kind: block.kind,
                table: block.table.name.clone(),
                line,
            }));
        }
    }

    fn encode_statement(&self, statement: &Statement) -> String {
        let nowhere = TableName {
            database: String::new(),
            table: String::new(),
        };
        let table = match &statement.subject {
            Subject::Tables { tables, .. } => tables.first().unwrap_or(&nowhere),
            Subject::Database { .. } => &nowhere,
        };
        let event = StatementEvent {
            statement,
            table,
            is_shared: false,
            epoch: 1,
            last: false,
        };
        let [line, flat] = [&self.encoder, &self.flat].map(|encoder| {
            let mut line = Vec::new();
            let written = encoder.statement(&event, &mut line);
            written.unwrap_or_else(|error| fail(&error));
            String::from_utf8(line).expect("lines are UTF-8")
        });
        flat::ensure_same(&line, &flat);
        line
    }
}

/// Panics with the whole chain.
fn fail(error: &dyn std::error::Error) -> ! {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    panic!("{text}")
}
