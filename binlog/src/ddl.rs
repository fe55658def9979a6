//! A statement's class and the names it touches, by tokens; never interpreted.
//!
//! What is read: the leading keywords, the names behind them, and of ALTER TABLE the clauses that name
//! another table (RENAME, EXCHANGE PARTITION). Names stand as the statement writes them; an unqualified
//! one belongs to the default database. What cannot be read is `Unknown`, which fences everything: being
//! too careful costs a pause, being wrong costs the order. Tables that a query only reads are not named.

use std::collections::HashSet;

use crate::{
    schema::TableName,
    tokens::{Token, Tokens},
};

/// What a statement means for order and for the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementClass {
    /// Table and view statements: events and fences of the tables they name.
    Table {
        truncate: bool,
        tables: Vec<TableName>,
    },
    /// CREATE, ALTER, DROP DATABASE: an event, a fence of that database's tables.
    Database { database: String },
    /// Accounts, privileges, routines, triggers, events, maintenance: neither event nor fence.
    Unpublished,
    /// Changes rows by a statement (`binlog_format` is not ROW); its leading keyword.
    Dml { verb: &'static str },
    /// Not recognised: fences every lane.
    Unknown,
}

/// `sql_mode` decides about `"` and `\`.
pub fn classify(text: &str, default_database: &str, sql_mode: u64) -> StatementClass {
    let parser = Parser {
        tokens: Tokens::new(text, sql_mode),
        default_database,
    };
    parser.statement().unwrap_or(StatementClass::Unknown)
}

/// What a table, view or database statement does, for formats that tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    CreateTable,
    /// Also RENAME TABLE and statements about indexes.
    AlterTable,
    DropTable,
    TruncateTable,
    CreateDatabase,
    AlterDatabase,
    DropDatabase,
    /// Creates, changes or drops a view.
    View,
}

/// `None` for other statements, and for what cannot be read.
pub fn action(text: &str, sql_mode: u64) -> Option<Action> {
    let mut parser = Parser {
        tokens: Tokens::new(text, sql_mode),
        default_database: "",
    };
    let verb = parser.tokens.keyword()?;
    if verb == "TRUNCATE" {
        return Some(Action::TruncateTable);
    }
    let (object, _) = parser.object()?;
    Some(match (verb.as_str(), object.as_str()) {
        ("CREATE", "TABLE") => Action::CreateTable,
        ("DROP", "TABLE") => Action::DropTable,
        ("ALTER" | "RENAME", "TABLE") | ("CREATE" | "DROP", "INDEX") => Action::AlterTable,
        ("CREATE", "DATABASE") => Action::CreateDatabase,
        ("ALTER", "DATABASE") => Action::AlterDatabase,
        ("DROP", "DATABASE") => Action::DropDatabase,
        ("CREATE" | "ALTER" | "DROP", "VIEW") => Action::View,
        _ => return None,
    })
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    default_database: &'a str,
}

/// Table names, each once, in the order of the statement.
#[derive(Default)]
struct Names {
    seen: HashSet<TableName>,
    tables: Vec<TableName>,
}

impl Names {
    fn add(&mut self, name: TableName) {
        if self.seen.insert(name.clone()) {
            self.tables.push(name);
        }
    }

    fn into_class(self) -> Option<StatementClass> {
        Some(StatementClass::Table {
            truncate: false,
            tables: self.tables,
        })
    }
}

const SYSTEM_DATABASES: [&str; 5] = [
    "mysql",
    "sys",
    "performance_schema",
    "information_schema",
    "rdsadmin",
];

/// Each step gives `None` for what it cannot read.
impl Parser<'_> {
    fn statement(mut self) -> Option<StatementClass> {
        // Parentheses may stand around a query.
        while self.symbol('(') {}
        if self.tokens.clone().next().is_none() {
            return Some(StatementClass::Unpublished);
        }
        match self.tokens.keyword()?.as_str() {
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop(),
            "RENAME" => self.rename(),
            "TRUNCATE" => self.truncate(),
            "INSERT" => self.dml("INSERT"),
            "REPLACE" => self.dml("REPLACE"),
            "UPDATE" => self.dml("UPDATE"),
            "DELETE" => self.dml("DELETE"),
            "LOAD" if self.word("INDEX") => Some(StatementClass::Unpublished),
            "LOAD" => Some(StatementClass::Dml { verb: "LOAD" }),
            "CALL" => Some(StatementClass::Dml { verb: "CALL" }),
            "WITH" => Some(StatementClass::Dml { verb: "WITH" }),
            "DO" => Some(StatementClass::Dml { verb: "DO" }),
            "SELECT" => Some(StatementClass::Dml { verb: "SELECT" }),
            "GRANT" | "REVOKE" | "SET" | "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK"
            | "CHECKSUM" | "CACHE" | "FLUSH" | "RESET" | "PURGE" | "CHANGE" | "INSTALL"
            | "UNINSTALL" | "IMPORT" | "LOCK" | "UNLOCK" | "KILL" | "SHUTDOWN" | "RESTART"
            | "CLONE" | "EXPLAIN" | "DESCRIBE" | "DESC" | "SHOW" | "USE" | "HELP" | "STOP" => {
                Some(StatementClass::Unpublished)
            }
            _ => None,
        }
    }

    fn create(&mut self) -> Option<StatementClass> {
        let (object, is_temporary) = self.object()?;
        match object.as_str() {
            "TABLE" if is_temporary => Some(StatementClass::Unpublished),
            "TABLE" => {
                let mut names = Names::default();
                self.if_exists();
                names.add(self.name()?);
                self.symbol('(');
                if self.word("LIKE") {
                    names.add(self.name()?);
                }
                names.into_class()
            }
            "VIEW" => {
                self.if_exists();
                self.one_table()
            }
            "INDEX" => self.index(),
            _ => self.other(&object),
        }
    }

    fn alter(&mut self) -> Option<StatementClass> {
        let (object, _) = self.object()?;
        match object.as_str() {
            "TABLE" => {
                self.if_exists();
                self.alter_table()
            }
            "VIEW" => {
                self.if_exists();
                self.one_table()
            }
            _ => self.other(&object),
        }
    }

    fn drop(&mut self) -> Option<StatementClass> {
        let (object, is_temporary) = self.object()?;
        match object.as_str() {
            "TABLE" if is_temporary => Some(StatementClass::Unpublished),
            "TABLE" | "VIEW" => {
                let mut names = Names::default();
                self.if_exists();
                names.add(self.name()?);
                while self.symbol(',') {
                    names.add(self.name()?);
                }
                names.into_class()
            }
            "INDEX" => self.index(),
            _ => self.other(&object),
        }
    }

    /// Objects that are treated alike by CREATE, ALTER and DROP.
    fn other(&mut self, object: &str) -> Option<StatementClass> {
        match object {
            "DATABASE" => {
                self.if_exists();
                self.database()
            }
            // MariaDB keeps a sequence as a table of one row.
            "SEQUENCE" => {
                let mut names = Names::default();
                self.if_exists();
                names.add(self.name()?);
                while self.symbol(',') {
                    names.add(self.name()?);
                }
                names.into_class()
            }
            "PROCEDURE" | "PACKAGE" | "FUNCTION" | "TRIGGER" | "EVENT" | "USER" | "ROLE"
            | "SERVER" | "TABLESPACE" | "LOGFILE" | "RESOURCE" | "REFERENCE" | "LIBRARY"
            | "INSTANCE" | "PREPARE" => Some(StatementClass::Unpublished),
            _ => None,
        }
    }

    fn rename(&mut self) -> Option<StatementClass> {
        match self.tokens.keyword()?.as_str() {
            "USER" => return Some(StatementClass::Unpublished),
            "TABLE" | "TABLES" => {}
            _ => return None,
        }
        let mut names = Names::default();
        self.if_exists();
        loop {
            names.add(self.name()?);
            if !self.word("TO") {
                return None;
            }
            names.add(self.name()?);
            if !self.symbol(',') {
                return names.into_class();
            }
        }
    }

    fn truncate(&mut self) -> Option<StatementClass> {
        self.word("TABLE");
        Some(StatementClass::Table {
            truncate: true,
            tables: vec![self.name()?],
        })
    }

    fn alter_table(&mut self) -> Option<StatementClass> {
        let mut names = Names::default();
        names.add(self.name()?);
        let mut depth = 0u32;
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("RENAME") => {
                    let is_inner = ["COLUMN", "INDEX", "KEY"]
                        .iter()
                        .any(|inner| self.word(inner));
                    if !is_inner {
                        let _is_spelled_out =
                            self.word("TO") || self.word("AS") || self.symbol('=');
                        names.add(self.name()?);
                    }
                }
                Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("EXCHANGE") => {
                    // Also a legal column name: only the whole clause counts.
                    let mut ahead = Parser {
                        tokens: self.tokens.clone(),
                        ..*self
                    };
                    if ahead.word("PARTITION")
                        && ahead.tokens.next().is_some()
                        && ahead.word("WITH")
                        && ahead.word("TABLE")
                    {
                        names.add(ahead.name()?);
                        self.tokens = ahead.tokens;
                    }
                }
                _ => {}
            }
        }
        names.into_class()
    }

    /// `name [USING ...] ON table` of CREATE and DROP INDEX.
    fn index(&mut self) -> Option<StatementClass> {
        self.if_exists();
        self.tokens.next()?;
        loop {
            if self.word("ON") {
                return self.one_table();
            }
            self.tokens.next()?;
        }
    }

    fn one_table(&mut self) -> Option<StatementClass> {
        Some(StatementClass::Table {
            truncate: false,
            tables: vec![self.name()?],
        })
    }

    fn database(&mut self) -> Option<StatementClass> {
        // ALTER DATABASE may leave the name out.
        let options = [
            "CHARACTER",
            "CHARSET",
            "DEFAULT",
            "COLLATE",
            "ENCRYPTION",
            "READ",
        ];
        let database = match self.tokens.next()? {
            Token::Word(word)
                if options
                    .iter()
                    .any(|option| word.eq_ignore_ascii_case(option)) =>
            {
                self.default_database.to_owned()
            }
            Token::Word(word) => word.to_owned(),
            Token::Name(name) => name,
            Token::Text | Token::Symbol(_) => return None,
        };
        Some(StatementClass::Database { database })
    }

    /// Statements against the server's own tables (RDS writes its heartbeat so) are not anyone's rows.
    fn dml(&mut self, verb: &'static str) -> Option<StatementClass> {
        while [
            "LOW_PRIORITY",
            "DELAYED",
            "HIGH_PRIORITY",
            "QUICK",
            "IGNORE",
            "INTO",
            "FROM",
        ]
        .iter()
        .any(|modifier| self.word(modifier))
        {}
        let is_system = self.name().is_some_and(|name| {
            SYSTEM_DATABASES
                .iter()
                .any(|system| name.database.eq_ignore_ascii_case(system))
        });
        let has_one_table = match verb {
            "UPDATE" => self.word("SET"),
            "DELETE" => {
                self.tokens.clone().next().is_none()
                    || ["WHERE", "ORDER", "LIMIT"]
                        .iter()
                        .any(|clause| self.word(clause))
            }
            _ => true,
        };
        if is_system && has_one_table {
            Some(StatementClass::Unpublished)
        } else {
            Some(StatementClass::Dml { verb })
        }
    }

    /// The keyword of what is created, altered or dropped, and whether it is TEMPORARY.
    fn object(&mut self) -> Option<(String, bool)> {
        let mut is_temporary = false;
        loop {
            let word = self.tokens.keyword()?;
            match word.as_str() {
                "TEMPORARY" => is_temporary = true,
                "DEFINER" if self.symbol('=') => self.account()?,
                "ALGORITHM" if self.symbol('=') => drop(self.tokens.next()?),
                "OR" | "REPLACE" | "UNIQUE" | "FULLTEXT" | "SPATIAL" | "ONLINE" | "OFFLINE"
                | "IGNORE" | "AGGREGATE" | "SQL" | "SECURITY" | "DEFINER" | "INVOKER"
                | "EXTERNAL" | "JSON" | "RELATIONAL" | "DUALITY" | "MATERIALIZED" | "UNDO" => {}
                "TABLES" => return Some(("TABLE".into(), is_temporary)),
                "SCHEMA" => return Some(("DATABASE".into(), is_temporary)),
                _ => return Some((word, is_temporary)),
            }
        }
    }

    /// `user[@host]` or CURRENT_USER[()].
    fn account(&mut self) -> Option<()> {
        self.tokens.next()?;
        if self.symbol('(') {
            self.symbol(')');
        }
        if self.symbol('@') {
            self.tokens.next()?;
            while self.symbol('.') {
                self.tokens.next()?;
            }
        }
        Some(())
    }

    fn if_exists(&mut self) {
        if self.word("IF") {
            self.word("NOT");
            self.word("EXISTS");
        }
    }

    /// `[database.]table`; `.table` is ODBC's way to write an unqualified name.
    fn name(&mut self) -> Option<TableName> {
        let is_unqualified = self.symbol('.');
        let first = self.identifier()?;
        if is_unqualified || !self.symbol('.') {
            return Some(TableName {
                database: self.default_database.to_owned(),
                table: first,
            });
        }
        Some(TableName {
            database: first,
            table: self.identifier()?,
        })
    }

    fn identifier(&mut self) -> Option<String> {
        match self.tokens.next()? {
            Token::Word(word) => Some(word.to_owned()),
            Token::Name(name) => Some(name),
            Token::Text | Token::Symbol(_) => None,
        }
    }

    /// Whether the next token is this keyword, which is then passed.
    fn word(&mut self, keyword: &str) -> bool {
        let mut ahead = self.tokens.clone();
        let is_next =
            matches!(ahead.next(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if is_next {
            self.tokens = ahead;
        }
        is_next
    }

    fn symbol(&mut self, symbol: char) -> bool {
        let mut ahead = self.tokens.clone();
        let is_next = matches!(ahead.next(), Some(Token::Symbol(next)) if next == symbol);
        if is_next {
            self.tokens = ahead;
        }
        is_next
    }
}

#[cfg(test)]
mod tests;
