//! Follows the patterns of `statements` along a statement's tokens. Each step gives `None` for what does not
//! fit; a pattern that does not fit leaves nothing behind.

use std::collections::HashSet;

use super::{
    Context, StatementClass, Subject,
    statements::{
        CLAUSE_WORDS, DATABASE_OPTIONS, MODIFIERS, Means, OBJECTS_WITHOUT_TABLES, Part, RULES,
        Rule, SYNONYMS, VERBS_WITHOUT_TABLES,
    },
};
use crate::{
    schema::TableName,
    tokens::{Token, Tokens},
};

/// `None`: not understood.
pub(super) fn class_of(text: &str, context: &Context<'_>) -> Option<StatementClass> {
    let tokens = Tokens::new(text, context.sql_mode, context.dialect);
    let mut parser = Parser {
        tokens,
        context,
        tables: Vec::new(),
        database: None,
    };
    parser.statement()
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    context: &'a Context<'a>,
    /// Found so far; a name may come twice.
    tables: Vec<TableName>,
    database: Option<String>,
}

impl Parser<'_> {
    fn statement(&mut self) -> Option<StatementClass> {
        loop {
            // Parentheses may stand around a query.
            while self.symbol('(') {}
            if self.is_at_end() {
                return Some(StatementClass::Unpublished);
            }
            let verb = self.tokens.keyword()?;
            // MariaDB: SET STATEMENT variable = value, ... FOR statement.
            if verb == "SET" && self.word("STATEMENT") {
                self.pass_outside_parentheses("FOR")?;
            } else {
                return self.behind(&verb);
            }
        }
    }

    fn behind(&mut self, verb: &str) -> Option<StatementClass> {
        if let Some(rule) = RULES.iter().find(|rule| rule.is(verb, "")) {
            return self.by_rule(rule);
        }
        if VERBS_WITHOUT_TABLES.contains(&verb) {
            return Some(StatementClass::Unpublished);
        }
        if !RULES.iter().any(|rule| rule.verb == verb) {
            return None;
        }
        let (object, is_temporary) = self.object()?;
        let rule = RULES.iter().find(|rule| rule.is(verb, &object));
        match rule {
            Some(_) if is_temporary => Some(StatementClass::Unpublished),
            Some(rule) => self.by_rule(rule),
            None if OBJECTS_WITHOUT_TABLES.contains(&&*object) => Some(StatementClass::Unpublished),
            None => None,
        }
    }

    fn by_rule(&mut self, rule: &Rule) -> Option<StatementClass> {
        let fits = self.fits(rule.parts);
        let mut seen = HashSet::new();
        let mut tables = std::mem::take(&mut self.tables);
        tables.retain(|table| seen.insert(table.clone()));
        Some(match rule.means {
            Means::Rows => StatementClass::Dml {
                verb: rule.verb,
                table: tables.pop().filter(|_| fits),
            },
            _ if !fits => return None,
            Means::Nothing => StatementClass::Unpublished,
            Means::Tables(action) => StatementClass::Published(Subject::Tables { action, tables }),
            Means::Database(action) => StatementClass::Published(Subject::Database {
                action,
                database: self.database.take()?,
            }),
        })
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
                modifier if MODIFIERS.contains(&modifier) => {}
                object => {
                    let synonym = SYNONYMS.iter().find(|(word, _)| *word == object);
                    let object = synonym.map_or(object, |(_, object)| object);
                    return Some((object.to_owned(), is_temporary));
                }
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

    /// Whether all parts fit; then they are passed.
    fn fits(&mut self, parts: &[Part]) -> bool {
        let (tokens, found) = (self.tokens.clone(), self.tables.len());
        let fits = parts.iter().all(|part| self.pass(*part).is_some());
        if !fits {
            self.tokens = tokens;
            self.tables.truncate(found);
        }
        fits
    }

    fn pass(&mut self, part: Part) -> Option<()> {
        let fits = match part {
            Part::Word(word) => self.word(word),
            Part::Symbol(symbol) => self.symbol(symbol),
            Part::Any => self.tokens.next().is_some(),
            Part::Table => {
                let name = self.name()?;
                self.tables.push(name);
                true
            }
            Part::Database => {
                self.database = Some(self.database_name()?);
                true
            }
            Part::Maybe(choices) => {
                self.first_of(choices);
                true
            }
            Part::One(choices) => self.first_of(choices),
            Part::Words(words) => {
                while words.iter().any(|word| self.word(word)) {}
                true
            }
            Part::List(parts) => loop {
                if !self.fits(parts) {
                    break false;
                }
                if !self.symbol(',') {
                    break true;
                }
            },
            Part::Until(word) => {
                self.tokens.next()?;
                while !self.word(word) {
                    self.tokens.next()?;
                }
                true
            }
            Part::Clauses(clauses) => {
                self.clauses(clauses)?;
                true
            }
            Part::End => self.is_at_end(),
        };
        fits.then_some(())
    }

    fn first_of(&mut self, choices: &[&[Part]]) -> bool {
        choices.iter().any(|parts| self.fits(parts))
    }

    fn clauses(&mut self, clauses: &[&[Part]]) -> Option<()> {
        let mut depth = 0u32;
        loop {
            if depth == 0 && self.first_of(clauses) {
                continue;
            }
            match self.tokens.next() {
                None => return Some(()),
                Some(Token::Symbol('(')) => depth += 1,
                Some(Token::Symbol(')')) => depth = depth.saturating_sub(1),
                // Behind a dot every word is a name.
                Some(Token::Symbol('.')) => drop(self.tokens.next()),
                Some(Token::Word(word)) if depth == 0 && is_one_of(word, CLAUSE_WORDS) => {
                    return None;
                }
                Some(_) => {}
            }
        }
    }

    /// Behind the next `word` that stands in no parentheses.
    fn pass_outside_parentheses(&mut self, word: &str) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match self.tokens.next()? {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth = depth.saturating_sub(1),
                Token::Word(found) if depth == 0 && found.eq_ignore_ascii_case(word) => {
                    return Some(());
                }
                _ => {}
            }
        }
    }

    /// `[database.]table`; `.table` is ODBC's way to write an unqualified name.
    fn name(&mut self) -> Option<TableName> {
        let case = self.context.case;
        let is_unqualified = self.symbol('.');
        let first = self.identifier()?;
        let (database, table) = if is_unqualified || !self.symbol('.') {
            (self.context.default_database.to_owned(), first)
        } else {
            (first, self.identifier()?)
        };
        Some(TableName {
            database: case.fold(database),
            table: case.fold(table),
        })
    }

    fn database_name(&mut self) -> Option<String> {
        let database = match self.tokens.next()? {
            Token::Word(word) if is_one_of(word, DATABASE_OPTIONS) => {
                self.context.default_database.to_owned()
            }
            Token::Word(word) => word.to_owned(),
            Token::Name(name) => name,
            Token::Text | Token::Symbol(_) => return None,
        };
        Some(self.context.case.fold(database))
    }

    fn identifier(&mut self) -> Option<String> {
        match self.tokens.next()? {
            Token::Word(word) => Some(word.to_owned()),
            Token::Name(name) => Some(name),
            Token::Text | Token::Symbol(_) => None,
        }
    }

    fn is_at_end(&self) -> bool {
        matches!(self.tokens.clone().next(), None | Some(Token::Symbol(';')))
    }

    /// Whether the next token is this keyword, which is then passed.
    fn word(&mut self, keyword: &str) -> bool {
        self.next_is(
            |token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword)),
        )
    }

    fn symbol(&mut self, symbol: char) -> bool {
        self.next_is(|token| *token == Token::Symbol(symbol))
    }

    fn next_is(&mut self, is_it: impl Fn(&Token<'_>) -> bool) -> bool {
        let mut ahead = self.tokens.clone();
        let is_next = ahead.next().is_some_and(|token| is_it(&token));
        if is_next {
            self.tokens = ahead;
        }
        is_next
    }
}

impl Rule {
    fn is(&self, verb: &str, object: &str) -> bool {
        self.verb == verb && self.object == object
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| word.eq_ignore_ascii_case(one))
}
