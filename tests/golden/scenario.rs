//! A table on a real server, what `SELECT` says of it at a moment, and the check that the log's lines
//! between two moments say the same.

use std::collections::BTreeMap;

use fastrand::Rng;
use headwater_binlog::rows::RowsKind;
use headwater_harness::{
    mysql::MySql,
    sql::{path, quote},
};
use mysql_async::{
    Conn, Row, Value,
    prelude::{FromRow, Queryable},
};

use crate::{
    columns::Type,
    compare::Compare,
    line::{member, members},
    log::{Change, Log},
};

/// The column that finds a row again; every table has it, not always as its key.
pub const ID: &str = "id";

/// Rows by id: each column as `SELECT` prints it.
pub type Snapshot = BTreeMap<i64, Vec<Option<Vec<u8>>>>;

pub struct Column {
    pub name: String,
    pub compare: Compare,
}

pub struct Table {
    pub database: String,
    pub name: String,
    /// In the table's order, `id` among them.
    pub columns: Vec<Column>,
    /// Names, in key order.
    pub key: Vec<String>,
}

/// What the images of the session's statements hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    Full,
    /// MINIMAL, NOBLOB: columns may be absent.
    Partial,
}

pub struct Scenario {
    pub server: MySql,
    pub log: Log,
    /// Values that are not what `SELECT` prints: all are looked for before a test fails.
    pub differences: Vec<String>,
    conn: Conn,
}

impl Table {
    pub fn path(&self) -> String {
        path(&self.database, &self.name)
    }

    fn place(&self, name: &str) -> usize {
        let found = self.columns.iter().position(|column| column.name == name);
        found.unwrap_or_else(|| panic!("no column `{name}` in {}", self.path()))
    }
}

impl Scenario {
    pub async fn start(options: &[&str]) -> Self {
        let options = [&["--max-allowed-packet=1G"], options].concat();
        let server = MySql::with(&options).await.expect("a server");
        Self::of(server, Log::open).await
    }

    pub async fn of(server: MySql, open: impl Fn(&MySql) -> Log) -> Self {
        let opts = mysql_async::OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(server.port())
            .user(Some("root"))
            .prefer_socket(false)
            .max_allowed_packet(Some(1 << 30));
        let mut conn = Conn::new(opts).await.expect("a connection");
        conn.query_drop("SET sql_mode = '', time_zone = '+00:00', NAMES utf8mb4")
            .await
            .expect("a session");
        conn.query_drop("CREATE DATABASE golden CHARACTER SET utf8mb4")
            .await
            .expect("a database");
        conn.query_drop("USE golden").await.expect("the database");
        let log = open(&server);
        Self {
            server,
            log,
            differences: Vec::new(),
            conn,
        }
    }

    /// Fails with what differed, of each column the first.
    pub fn ensure_no_difference(&self) {
        let mut columns = std::collections::BTreeSet::new();
        let name = |text: &str| text.split(" of row ").next().map(str::to_owned);
        let first: Vec<&String> = self
            .differences
            .iter()
            .filter(|text| columns.insert(name(text)))
            .collect();
        assert!(
            first.is_empty(),
            "{} differences: {first:#?}",
            self.differences.len()
        );
    }

    pub async fn run(&mut self, sql: &str) {
        if let Err(error) = self.conn.query_drop(sql).await {
            let shown: String = sql.chars().take(2000).collect();
            panic!("{error}: {shown}");
        }
    }

    /// Runs a statement that may fail.
    pub async fn try_run(&mut self, sql: &str) {
        drop(self.conn.query_drop(sql).await);
    }

    /// The rows of a query.
    pub async fn query<T: FromRow + Send + 'static>(&mut self, sql: &str) -> Vec<T> {
        self.conn.query(sql).await.expect("rows")
    }

    /// All rows as `SELECT` prints them now.
    pub async fn select(&mut self, table: &Table) -> Snapshot {
        let expressions: Vec<String> = table
            .columns
            .iter()
            .map(|column| column.compare.expression(&quote(&column.name)))
            .collect();
        let sql = format!(
            "SELECT {ID}, {} FROM {}",
            expressions.join(", "),
            table.path()
        );
        let rows: Vec<Row> = self.conn.query(&sql).await.expect("the rows");
        let bytes = |value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(bytes),
            other => panic!("the text protocol gives text: {other:?}"),
        };
        let mut snapshot = Snapshot::new();
        for row in rows {
            let mut values = row.unwrap().into_iter().map(bytes);
            let id = values.next().flatten().expect("an id");
            let id = std::str::from_utf8(&id)
                .expect("digits")
                .parse()
                .expect("a number");
            snapshot.insert(id, values.collect());
        }
        snapshot
    }

    /// Runs the statements, then checks what they logged; gives the rows as they are now and the changes.
    pub async fn step(
        &mut self,
        table: &Table,
        before: &Snapshot,
        statements: &[String],
        images: Images,
    ) -> (Snapshot, Vec<Change>) {
        for statement in statements {
            self.run(statement).await;
        }
        let after = self.select(table).await;
        let changes = self.log.changes();
        self.differences
            .extend(differences(table, before, &after, &changes, images));
        (after, changes)
    }
}

/// That each line says what `SELECT` said, and that no change is missing.
fn differences(
    table: &Table,
    before: &Snapshot,
    after: &Snapshot,
    changes: &[Change],
    images: Images,
) -> Vec<String> {
    let mut differences = Vec::new();
    let mut seen = BTreeMap::new();
    for change in changes {
        assert_eq!(
            (&change.table.database, &change.table.table),
            (&table.database, &table.name)
        );
        let id = ensure_line(table, before, after, change, images, &mut differences);
        seen.insert(id, change.kind);
    }
    for (id, row) in before {
        let is_changed = after.get(id) != Some(row);
        assert!(
            !is_changed || seen.contains_key(id),
            "row {id} of {} has no line",
            table.path()
        );
    }
    for id in after.keys().filter(|id| !before.contains_key(id)) {
        assert!(
            seen.contains_key(id),
            "row {id} of {} has no line",
            table.path()
        );
    }
    differences
}

fn ensure_line(
    table: &Table,
    before: &Snapshot,
    after: &Snapshot,
    change: &Change,
    images: Images,
    differences: &mut Vec<String>,
) -> i64 {
    let fields = members(&change.line);
    let object = |name| member(&fields, name).map(members);
    let data = object("data").expect("data");
    let key = object("key");
    let id = member(&data, ID)
        .or_else(|| key.as_ref().and_then(|key| member(key, ID)))
        .unwrap_or_else(|| panic!("no id in {}", change.line));
    let id: i64 = id.parse().expect("a number");
    let now = match change.kind {
        RowsKind::Delete => before.get(&id),
        RowsKind::Insert | RowsKind::Update => after.get(&id),
    };
    let now = now.unwrap_or_else(|| panic!("row {id} is not in {}", table.path()));

    if images == Images::Full {
        let names: Vec<&str> = data.iter().map(|(name, _)| name.as_str()).collect();
        let all: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
        assert_eq!(names, all, "every column, in the table's order");
    }
    for (name, raw) in &data {
        differences.extend(difference(table, name, raw, now, id));
    }
    assert_eq!(
        key.is_some(),
        !table.key.is_empty(),
        "a key as the table has one"
    );
    if let Some(key) = &key {
        let names: Vec<&String> = key.iter().map(|(name, _)| name).collect();
        assert_eq!(names, Vec::from_iter(&table.key), "the key's order");
        for (name, raw) in key {
            differences.extend(difference(table, name, raw, now, id));
        }
    }
    let old = object("old");
    assert_eq!(
        old.is_some(),
        change.kind == RowsKind::Update,
        "old, in updates only"
    );
    if let Some(old) = old {
        let was = before.get(&id).expect("an update of a row that was there");
        for (name, raw) in &old {
            differences.extend(difference(table, name, raw, was, id));
        }
        for (place, column) in table.columns.iter().enumerate() {
            let is_old = member(&old, &column.name).is_some();
            // Index 0 of an ENUM looks like the label '', if it has that.
            let is_empty = member(&old, &column.name) == Some("\"\"");
            let may_look_same = column.compare == Compare::Json || is_empty;
            let is_changed = was[place] != now[place];
            let is_told = images == Images::Partial || is_old;
            assert!(
                !is_changed || is_told,
                "`{}` of row {id} changed",
                column.name
            );
            let in_data = member(&data, &column.name).is_some();
            assert!(
                !is_changed || in_data,
                "`{}` of row {id} is in data",
                column.name
            );
            assert!(
                !is_old || is_changed || may_look_same,
                "`{}` ({:?}) did not change: {:?}",
                column.name,
                column.compare,
                member(&old, &column.name)
            );
        }
    }
    id
}

fn difference(
    table: &Table,
    name: &str,
    raw: &str,
    row: &[Option<Vec<u8>>],
    id: i64,
) -> Option<String> {
    let place = table.place(name);
    let (compare, selected) = (table.columns[place].compare, row[place].as_deref());
    (!compare.is_same(raw, selected)).then(|| {
        let shown = |text: &str| text.chars().take(300).collect::<String>();
        format!(
            "`{name}` of row {id} of {}: the line says {}, SELECT ({compare:?}) {}",
            table.path(),
            shown(raw),
            selected.map_or("NULL".into(), |it| shown(&String::from_utf8_lossy(it))),
        )
    })
}

/// One column of a table to be made.
pub struct Wanted<'a> {
    pub name: String,
    pub column: &'a Type,
    pub is_nullable: bool,
}

impl Wanted<'_> {
    pub fn definition(&self) -> String {
        let null = if self.is_nullable { "NULL" } else { "NOT NULL" };
        format!("{} {} {null}", quote(&self.name), self.column.sql)
    }

    /// A random value, NULL where it may be.
    pub fn value(&self, rng: &mut Rng) -> String {
        if self.is_nullable && rng.u8(..8) == 0 {
            "NULL".into()
        } else {
            self.column.value(rng)
        }
    }
}
