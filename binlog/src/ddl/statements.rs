//! The statements that servers log as text, and where the names of tables stand in them: data for `parser`.
//!
//! From the grammars (sql_yacc.yy) of MySQL 5.5 to 9.x and MariaDB 10.0 to 11. Behind CREATE, ALTER and DROP
//! come [`MODIFIERS`], then the object. A statement that stands in none of these lists is not understood. What
//! follows the last part of a pattern is not looked at, unless the pattern has its [`Part::End`].

use super::Action;
use Part::{Any, Clauses, Database, End, List, Maybe, One, Symbol, Table, Until, Word, Words};

/// One place of a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Word(&'static str),
    Symbol(char),
    /// Any one token.
    Any,
    /// The name of a table that the statement is about.
    Table,
    /// A database's name, or the first option of ALTER DATABASE: then the default one is meant.
    Database,
    /// The first of these that fits, or nothing.
    Maybe(&'static [&'static [Part]]),
    /// The first of these that fits.
    One(&'static [&'static [Part]]),
    /// As many of these words as there are.
    Words(&'static [&'static str]),
    /// This once, and again behind every comma.
    List(&'static [Part]),
    /// At least one token, then all up to this word and the word itself.
    Until(&'static str),
    /// To the end: wherever one of these fits outside parentheses it is taken, all else is passed over, except
    /// [`CLAUSE_WORDS`].
    Clauses(&'static [&'static [Part]]),
    End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    Tables(Action),
    Database(Action),
    /// Changes rows. What does not fit the pattern may change any.
    Rows,
    Nothing,
}

pub(super) struct Rule {
    pub verb: &'static str,
    /// Empty where the verb says all.
    pub object: &'static str,
    pub means: Means,
    pub parts: &'static [Part],
}

const fn rule(
    verb: &'static str,
    object: &'static str,
    means: Means,
    parts: &'static [Part],
) -> Rule {
    Rule {
        verb,
        object,
        means,
        parts,
    }
}

const IF_EXISTS: Part = Maybe(&[
    &[Word("IF"), Word("NOT"), Word("EXISTS")],
    &[Word("IF"), Word("EXISTS")],
]);
/// MariaDB.
const WAIT: Part = Maybe(&[&[Word("WAIT"), Any], &[Word("NOWAIT")]]);
const BEHAVIOUR: Part = Maybe(&[&[Word("RESTRICT")], &[Word("CASCADE")]]);
const NAMES: Part = List(&[Table]);

const CREATE_TABLE: Means = Means::Tables(Action::CreateTable);
const ALTER_TABLE: Means = Means::Tables(Action::AlterTable);
const DROP_TABLE: Means = Means::Tables(Action::DropTable);
const VIEW: Means = Means::Tables(Action::View);
const SEQUENCE: Means = Means::Tables(Action::Sequence);

pub(super) const RULES: &[Rule] = &[
    rule(
        "CREATE",
        "TABLE",
        CREATE_TABLE,
        &[
            IF_EXISTS,
            Table,
            Maybe(&[&[Word("LIKE"), Table], &[Symbol('('), Word("LIKE"), Table]]),
        ],
    ),
    rule(
        "ALTER",
        "TABLE",
        ALTER_TABLE,
        &[IF_EXISTS, Table, Clauses(ALTER_CLAUSES)],
    ),
    rule(
        "DROP",
        "TABLE",
        DROP_TABLE,
        &[IF_EXISTS, NAMES, WAIT, BEHAVIOUR, End],
    ),
    rule(
        "RENAME",
        "TABLE",
        ALTER_TABLE,
        &[IF_EXISTS, List(&[Table, WAIT, Word("TO"), Table]), End],
    ),
    rule(
        "TRUNCATE",
        "",
        Means::Tables(Action::TruncateTable),
        &[
            Maybe(&[&[Word("TABLE")]]),
            Table,
            WAIT,
            // MariaDB.
            Maybe(&[
                &[Word("DROP"), Word("STORAGE")],
                &[Word("REUSE"), Word("STORAGE")],
            ]),
            End,
        ],
    ),
    rule(
        "CREATE",
        "INDEX",
        ALTER_TABLE,
        &[IF_EXISTS, Until("ON"), Table],
    ),
    rule(
        "DROP",
        "INDEX",
        ALTER_TABLE,
        &[IF_EXISTS, Until("ON"), Table],
    ),
    rule("CREATE", "VIEW", VIEW, &[IF_EXISTS, Table]),
    rule("ALTER", "VIEW", VIEW, &[IF_EXISTS, Table]),
    rule("DROP", "VIEW", VIEW, &[IF_EXISTS, NAMES, BEHAVIOUR, End]),
    // MariaDB.
    rule("CREATE", "SEQUENCE", SEQUENCE, &[IF_EXISTS, Table]),
    rule("ALTER", "SEQUENCE", SEQUENCE, &[IF_EXISTS, Table]),
    rule("DROP", "SEQUENCE", SEQUENCE, &[IF_EXISTS, NAMES, End]),
    rule(
        "CREATE",
        "DATABASE",
        Means::Database(Action::CreateDatabase),
        &[IF_EXISTS, Database],
    ),
    rule(
        "ALTER",
        "DATABASE",
        Means::Database(Action::AlterDatabase),
        &[Database],
    ),
    rule(
        "DROP",
        "DATABASE",
        Means::Database(Action::DropDatabase),
        &[IF_EXISTS, Database, End],
    ),
    rule("INSERT", "", Means::Rows, INTO),
    rule("REPLACE", "", Means::Rows, INTO),
    rule(
        "UPDATE",
        "",
        Means::Rows,
        &[
            Words(DML_MODIFIERS),
            Table,
            One(&[
                &[Word("SET")],
                &[Word("AS"), Any, Word("SET")],
                &[Any, Word("SET")],
            ]),
        ],
    ),
    rule(
        "DELETE",
        "",
        Means::Rows,
        &[
            Words(DML_MODIFIERS),
            Word("FROM"),
            Table,
            One(&[
                &[End],
                &[Word("WHERE")],
                &[Word("ORDER")],
                &[Word("LIMIT")],
                &[Word("RETURNING")],
            ]),
        ],
    ),
    rule(
        "LOAD",
        "DATA",
        Means::Rows,
        &[Until("INTO"), Word("TABLE"), Table],
    ),
    rule(
        "LOAD",
        "XML",
        Means::Rows,
        &[Until("INTO"), Word("TABLE"), Table],
    ),
    rule("LOAD", "INDEX", Means::Nothing, &[]),
    rule("WITH", "", Means::Rows, &[]),
    rule("SELECT", "", Means::Rows, &[]),
    rule("CALL", "", Means::Rows, &[]),
    rule("DO", "", Means::Rows, &[]),
];

const DML_MODIFIERS: &[&str] = &[
    "LOW_PRIORITY",
    "DELAYED",
    "HIGH_PRIORITY",
    "QUICK",
    "IGNORE",
];
const INTO: &[Part] = &[Words(DML_MODIFIERS), Words(&["INTO"]), Table];

/// The clauses of ALTER TABLE that begin with one of [`CLAUSE_WORDS`], or name another table.
const ALTER_CLAUSES: &[&[Part]] = &[
    &[Word("RENAME"), Word("COLUMN")],
    &[Word("RENAME"), Word("INDEX")],
    &[Word("RENAME"), Word("KEY")],
    &[
        Word("RENAME"),
        Maybe(&[&[Word("TO")], &[Word("AS")], &[Symbol('=')]]),
        Table,
    ],
    &[
        Word("EXCHANGE"),
        Word("PARTITION"),
        Any,
        Word("WITH"),
        Word("TABLE"),
        Table,
    ],
    // MariaDB, since 10.7.
    &[
        Word("CONVERT"),
        Word("PARTITION"),
        Any,
        Word("TO"),
        Word("TABLE"),
        Table,
    ],
    &[
        Word("CONVERT"),
        Word("TABLE"),
        Table,
        Word("TO"),
        Word("PARTITION"),
    ],
];

/// Reserved words that, outside parentheses, stand in front of another table's name. In a clause that is not
/// known they make the statement one that is not understood.
pub(super) const CLAUSE_WORDS: &[&str] = &["TABLE", "RENAME"];

/// Between CREATE, ALTER or DROP and the object. DEFINER and ALGORITHM may have a value.
pub(super) const MODIFIERS: &[&str] = &[
    "OR",
    "REPLACE",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "VECTOR",
    "ONLINE",
    "OFFLINE",
    "IGNORE",
    "AGGREGATE",
    "SQL",
    "SECURITY",
    "DEFINER",
    "INVOKER",
    "EXTERNAL",
    "JSON",
    "RELATIONAL",
    "DUALITY",
    "MATERIALIZED",
    "UNDO",
    "GLOBAL",
];

/// Other words for the same object.
pub(super) const SYNONYMS: &[(&str, &str)] = &[("TABLES", "TABLE"), ("SCHEMA", "DATABASE")];

/// What CREATE, ALTER, DROP and RENAME do to these is nobody's business.
pub(super) const OBJECTS_WITHOUT_TABLES: &[&str] = &[
    "PROCEDURE",
    "PACKAGE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "RESOURCE",
    "REFERENCE",
    "LIBRARY",
    "INSTANCE",
    "PREPARE",
    "CATALOG",
];

/// Statements on accounts and sessions, and maintenance.
pub(super) const VERBS_WITHOUT_TABLES: &[&str] = &[
    "GRANT",
    "REVOKE",
    "SET",
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "CHECKSUM",
    "CACHE",
    "FLUSH",
    "RESET",
    "PURGE",
    "CHANGE",
    "INSTALL",
    "UNINSTALL",
    "LOCK",
    "UNLOCK",
    "KILL",
    "SHUTDOWN",
    "RESTART",
    "CLONE",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "SHOW",
    "USE",
    "HELP",
    "START",
    "STOP",
    "BACKUP",
    "HANDLER",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "SIGNAL",
    "RESIGNAL",
    "GET",
    "BINLOG",
];

/// An option of ALTER DATABASE that stands where the database's name may be missing.
pub(super) const DATABASE_OPTIONS: &[&str] = &[
    "CHARACTER",
    "CHARSET",
    "DEFAULT",
    "COLLATE",
    "ENCRYPTION",
    "READ",
    "COMMENT",
];
