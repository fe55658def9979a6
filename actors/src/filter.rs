//! Which tables are wanted: `source.tables` patterns.
//!
//! A pattern is `db.table`, both globs (`*` any run, `?` one character) over the names as the server
//! stores them, compared exactly. The first dot outside backticks separates; what stands in backticks is
//! literal (a backtick itself is doubled). `!` in front excludes; the last pattern that matches wins; a
//! list of excludes only begins with `*.*`. The system's own schemas are never wanted.
//! A star never sends the match back beyond itself, so a hostile pattern costs at most its length
//! times the name's.

mod column_filter;

use std::collections::BTreeSet;

use headwater_binlog::schema::{NameCase, TableName};

pub use column_filter::ColumnFilter;

/// Schemas that belong to the server or its host, never to the user. `mysql` holds RDS's `rds_*` tables.
const SYSTEM_SCHEMAS: [&str; 5] = [
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "rdsadmin",
];

/// Globs over `db.table`; the last match wins. The default includes everything.
#[derive(Debug, Clone)]
pub struct TableFilter {
    patterns: Vec<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("the list of tables is empty; write \"*.*\" for all tables")]
    Empty,
    #[error("table pattern \"{pattern}\" {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("column pattern \"{pattern}\" {problem}")]
    Column { pattern: String, problem: String },
}

#[derive(Debug, Clone)]
struct Rule {
    includes: bool,
    database: Glob,
    table: Glob,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Run,
}

impl Default for TableFilter {
    fn default() -> Self {
        Self {
            patterns: vec!["*.*".to_owned()],
            rules: vec![Rule::everything()],
        }
    }
}

impl TableFilter {
    pub fn new(patterns: &[String]) -> Result<Self, FilterError> {
        if patterns.is_empty() {
            return Err(FilterError::Empty);
        }
        let mut rules = Vec::with_capacity(patterns.len() + 1);
        for pattern in patterns {
            rules.push(
                Rule::parse(pattern).map_err(|problem| FilterError::Pattern {
                    pattern: pattern.clone(),
                    problem,
                })?,
            );
        }
        if rules.iter().all(|rule| !rule.includes) {
            rules.insert(0, Rule::everything());
        }
        Ok(Self {
            patterns: patterns.to_vec(),
            rules,
        })
    }

    pub fn includes(&self, name: &TableName) -> bool {
        if is_system_schema(&name.database) {
            return false;
        }
        self.rules
            .iter()
            .rev()
            .find(|rule| rule.matches(name))
            .is_some_and(|rule| rule.includes)
    }

    /// Whether a table of this database may be wanted: for statements that name only the database.
    pub fn may_include_database(&self, database: &str) -> bool {
        let is_whole = |rule: &&Rule| rule.includes || rule.table.is_everything();
        let mut matching = self
            .rules
            .iter()
            .rev()
            .filter(|rule| rule.database.matches(database));
        !is_system_schema(database) && matching.find(is_whole).is_some_and(|rule| rule.includes)
    }

    /// The databases that it may include tables of; `None`: any.
    pub fn databases(&self) -> Option<BTreeSet<String>> {
        let including = self.rules.iter().filter(|rule| rule.includes);
        including.map(|rule| rule.database.as_literal()).collect()
    }

    /// The tables that patterns include by their names.
    pub fn literals(&self) -> impl Iterator<Item = TableName> {
        let including = self.rules.iter().filter(|rule| rule.includes);
        including.filter_map(|rule| {
            Some(TableName {
                database: rule.database.as_literal()?,
                table: rule.table.as_literal()?,
            })
        })
    }

    /// Every table is wanted, but the system's.
    pub fn is_everything(&self) -> bool {
        self.rules
            .iter()
            .rev()
            .take_while(|rule| rule.includes)
            .any(Rule::is_everything)
    }

    /// Patterns that no name can match where the server compares names without case: those with a letter
    /// that it would store in lower case.
    pub fn never_matching(&self, case: NameCase) -> Vec<&str> {
        never_matching(&self.patterns, self.rules.iter(), case)
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

pub fn is_system_schema(database: &str) -> bool {
    SYSTEM_SCHEMAS.contains(&database)
}

/// The last rules are those of the patterns.
fn never_matching<'a>(
    patterns: &'a [String],
    rules: impl ExactSizeIterator<Item = &'a Rule>,
    case: NameCase,
) -> Vec<&'a str> {
    let added = rules.len() - patterns.len();
    let found = patterns.iter().zip(rules.skip(added));
    found
        .filter(|(_, rule)| !rule.database.is_folded(case) || !rule.table.is_folded(case))
        .map(|(pattern, _)| pattern.as_str())
        .collect()
}

impl Rule {
    fn everything() -> Self {
        Self {
            includes: true,
            database: Glob(vec![Token::Run]),
            table: Glob(vec![Token::Run]),
        }
    }

    fn is_everything(&self) -> bool {
        self.includes && self.database.is_everything() && self.table.is_everything()
    }

    fn matches(&self, name: &TableName) -> bool {
        self.database.matches(&name.database) && self.table.matches(&name.table)
    }

    fn parse(pattern: &str) -> Result<Self, String> {
        let (includes, body) = match pattern.strip_prefix('!') {
            Some(body) => (false, body),
            None => (true, pattern),
        };
        let (parts, dots) = parts(body)?;
        if dots == 0 {
            return Err(
                "has no dot; write \"db.table\", or \"db.*\" for all its tables".to_owned(),
            );
        }
        let [database, table] = parts;
        if database.0.is_empty() || table.0.is_empty() {
            return Err("lacks the database or the table; write \"db.table\"".to_owned());
        }
        if let Some(schema) = database.as_literal().filter(|name| is_system_schema(name))
            && includes
        {
            return Err(format!(
                "names the system schema \"{schema}\", which is never read; remove it"
            ));
        }
        Ok(Self {
            includes,
            database,
            table,
        })
    }
}

/// `body` cut at its first dots outside backticks, and how many of these there were; the last part keeps
/// the others.
fn parts<const PARTS: usize>(body: &str) -> Result<([Glob; PARTS], usize), String> {
    if body.trim() != body {
        return Err("begins or ends with a space; remove it".to_owned());
    }
    let mut parts = [const { Vec::new() }; PARTS];
    let mut dots = 0;
    let mut characters = body.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '.' && dots + 1 < PARTS {
            dots += 1;
            continue;
        }
        let Some(part) = parts.get_mut(dots) else {
            break;
        };
        match character {
            '`' => loop {
                match characters.next() {
                    None => return Err("has an open backtick; close it".to_owned()),
                    Some('`') if characters.peek() == Some(&'`') => {
                        characters.next();
                        part.push(Token::Literal('`'));
                    }
                    Some('`') => break,
                    Some(quoted) => part.push(Token::Literal(quoted)),
                }
            },
            '*' if part.last() == Some(&Token::Run) => (),
            '*' => part.push(Token::Run),
            '?' => part.push(Token::One),
            other => part.push(Token::Literal(other)),
        }
    }
    Ok((parts.map(Glob), dots))
}

impl Glob {
    fn is_everything(&self) -> bool {
        self.0 == [Token::Run]
    }

    /// Whether its letters are as the server stores them.
    fn is_folded(&self, case: NameCase) -> bool {
        self.0.iter().all(|token| match token {
            Token::Literal(letter) => case.fold(letter.to_string()) == letter.to_string(),
            Token::One | Token::Run => true,
        })
    }

    fn as_literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|token| match token {
                Token::Literal(character) => Some(*character),
                Token::One | Token::Run => None,
            })
            .collect()
    }

    fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut next = 0;
        // Behind the last star: the token after it, and the text from which it has not been tried.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            let fits = match (self.0.get(next), rest.next()) {
                (None, None) => return true,
                (Some(Token::Run), _) => {
                    rest = before;
                    next += 1;
                    if next == self.0.len() {
                        return true;
                    }
                    retry = Some((next, rest.clone()));
                    continue;
                }
                (Some(_), None) => return false,
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Literal(wanted)), Some(found)) => *wanted == found,
                (None, Some(_)) => false,
            };
            if fits {
                next += 1;
                continue;
            }
            let Some((after_star, untried)) = retry.as_mut() else {
                return false;
            };
            if untried.next().is_none() {
                return false;
            }
            next = *after_star;
            rest = untried.clone();
        }
    }
}

#[cfg(test)]
mod tests;
