//! What Headwater makes of a server's log file, as far as encoders take it.

use std::{fs::File, io::BufReader};

use headwater_actors::ports::encoder::{Encoder, RowEvent, StatementEvent, Written};
use headwater_binlog::{
    assembler::{Assembler, Item},
    ddl::Subject,
    file::BinlogFile,
    position::FileName,
    rows::RowsBlock,
    schema::TableName,
    transaction::Statement,
};
use headwater_harness::mysql::MySql;

pub struct Log {
    file: BinlogFile<BufReader<File>>,
    assembler: Assembler,
}

/// One row of a block.
pub struct Change {
    block: RowsBlock,
    offset: usize,
    n: u64,
}

pub enum Logged {
    Row(Change),
    Statement(Statement),
}

impl Log {
    /// Stands behind what the server has logged by now.
    pub fn open(server: &MySql) -> Self {
        let path = server.binlog_files().unwrap().pop().expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy();
        let name = FileName::parse(&name).expect("a log's name");
        let reader = BufReader::new(File::open(&path).expect("a readable file"));
        let mut log = Self {
            file: BinlogFile::open(reader, 1 << 30).expect("a binlog file"),
            assembler: Assembler::new(name, 4),
        };
        log.read();
        log
    }

    /// All that has been logged since the last call.
    pub fn read(&mut self) -> Vec<Logged> {
        let mut logged = Vec::new();
        let mut items = Vec::new();
        while let Some(event) = self.file.next_event().expect("an event") {
            self.assembler.push(event.bytes, &mut items).expect("items");
        }
        for item in items {
            match item {
                Item::Rows(block) => {
                    for (n, row) in (block.first_row..).zip(block.rows()) {
                        let (offset, _) = row.expect("a row");
                        logged.push(Logged::Row(Change {
                            block: block.clone(),
                            offset,
                            n,
                        }));
                    }
                }
                Item::Statement(statement) => logged.push(Logged::Statement(statement)),
                Item::Commit(_) | Item::Moved(_) => {}
            }
        }
        logged
    }

    /// The changes of [`Log::read`], where no statement can be.
    pub fn rows(&mut self) -> Vec<Change> {
        let only_rows = |logged| match logged {
            Logged::Row(change) => change,
            Logged::Statement(statement) => panic!("a statement: {}", statement.text),
        };
        self.read().into_iter().map(only_rows).collect()
    }
}

/// All lines of a change.
pub fn lines(encoder: &dyn Encoder, change: &Change) -> Vec<String> {
    let block = &change.block;
    let mut table = encoder.plan(&block.table);
    table.block(block, 1);
    let row = block.row_at(change.offset).expect("a row").expect("a row");
    let event = RowEvent {
        block,
        row,
        n: change.n,
        last: false,
    };
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        let written = match lines.len() {
            0 => table.row(&event, &mut line),
            number => table.next_line(&event, number as u32, &mut line),
        };
        match written.expect("a line") {
            Written::Nothing => return lines,
            Written::More => lines.push(String::from_utf8(line).expect("UTF-8")),
            Written::Last => {
                lines.push(String::from_utf8(line).expect("UTF-8"));
                return lines;
            }
        }
    }
}

impl Logged {
    /// The statement's line in the lane of the first table that it names.
    pub fn statement_line(&self, encoder: &dyn Encoder) -> Option<String> {
        let Self::Statement(statement) = self else {
            panic!("a row")
        };
        let table = match &statement.subject {
            Subject::Tables { tables, .. } => tables.first().expect("a table").clone(),
            Subject::Database { database, .. } => TableName {
                database: database.clone(),
                table: String::new(),
            },
        };
        let event = StatementEvent {
            statement,
            table: &table,
            is_shared: false,
            epoch: 1,
            last: true,
        };
        let mut line = Vec::new();
        let written = encoder.statement(&event, &mut line).expect("a line");
        (written != Written::Nothing).then(|| String::from_utf8(line).expect("UTF-8"))
    }
}
