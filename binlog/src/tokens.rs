//! MySQL's lexical rules, as far as names and keywords need them: three kinds of comment, comments whose
//! content is executed, strings, quoted names. Anything unterminated ends with the text.
//!
//! A server that passes over the content of `/*!NNNNN ... */` because of its version logs `/* NNNNN ... */`,
//! and the marks of comments inside it as `(*` and `*)`. So what still has its `!` was executed, whatever the
//! version. `/*M! ... */` is the same for MariaDB, and to MySQL, which logs it as it came, a comment.
//! Source: sql/sql_lex.cc of both.

use crate::event::Dialect;

/// `"` quotes names, not strings.
pub(crate) const SQL_MODE_ANSI_QUOTES: u64 = 1 << 2;
/// `\` is a character like any other.
pub(crate) const SQL_MODE_NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword, an unquoted name or a number.
    Word(&'a str),
    /// A quoted name, without its quotes.
    Name(String),
    /// A string literal.
    Text,
    Symbol(char),
}

#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    rest: &'a str,
    sql_mode: u64,
    dialect: Dialect,
    is_in_executable_comment: bool,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str, sql_mode: u64, dialect: Dialect) -> Self {
        Self {
            rest: text,
            sql_mode,
            dialect,
            is_in_executable_comment: false,
        }
    }

    /// The next token as an upper-case word; `None` when it is something else.
    pub fn keyword(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(word.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// The last name or word of the text, as SAVEPOINT statements end in theirs.
    pub fn last_name(self) -> Option<String> {
        self.filter_map(|token| match token {
            Token::Word(word) => Some(word.to_owned()),
            Token::Name(name) => Some(name),
            Token::Text | Token::Symbol(_) => None,
        })
        .last()
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.rest = self
                .rest
                .trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\0' || c == '\x0b');
            if let Some(code) = self.executable_comment() {
                self.rest = skip_version(code);
                self.is_in_executable_comment = true;
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
            } else if let Some(rest) = self
                .rest
                .strip_prefix("*/")
                .filter(|_| self.is_in_executable_comment)
            {
                self.rest = rest;
                self.is_in_executable_comment = false;
            } else if self.rest.starts_with('#') || is_dash_comment(self.rest) {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else {
                return;
            }
        }
    }

    /// What stands behind the mark of a comment whose content is executed.
    fn executable_comment(&self) -> Option<&'a str> {
        let of_mariadb = || match self.dialect {
            Dialect::MySql => None,
            Dialect::MariaDb => self.rest.strip_prefix("/*M!"),
        };
        self.rest.strip_prefix("/*!").or_else(of_mariadb)
    }

    fn cut(&mut self, bytes: usize) -> &'a str {
        let (head, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        head
    }

    /// What stands between `quote`s, of which the first has been passed; doubled ones are one.
    fn quoted(&mut self, quote: char, has_escapes: bool) -> String {
        let mut content = String::new();
        let mut characters = self.rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                if characters.next_if(|(_, next)| *next == quote).is_none() {
                    self.cut(at + quote.len_utf8());
                    return content;
                }
            } else if character == '\\' && has_escapes {
                characters.next();
            }
            content.push(character);
        }
        self.rest = "";
        content
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks_and_comments();
        let first = self.rest.chars().next()?;
        let has_escapes = self.sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES == 0;
        let word_bytes = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        if word_bytes > 0 {
            return Some(Token::Word(self.cut(word_bytes)));
        }
        self.cut(first.len_utf8());
        Some(match first {
            '`' => Token::Name(self.quoted('`', false)),
            '"' if self.sql_mode & SQL_MODE_ANSI_QUOTES != 0 => {
                Token::Name(self.quoted('"', false))
            }
            '"' | '\'' => {
                drop(self.quoted(first, has_escapes));
                Token::Text
            }
            symbol => Token::Symbol(symbol),
        })
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || character == '$'
        || !character.is_ascii()
}

/// `--` begins a comment only before a blank, a control character or the end.
fn is_dash_comment(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|rest| {
        rest.chars()
            .next()
            .is_none_or(|next| next.is_ascii_whitespace() || next.is_ascii_control())
    })
}

/// Five or six digits behind `/*!` are a version.
fn skip_version(code: &str) -> &str {
    let digits = code.bytes().take(6).take_while(u8::is_ascii_digit).count();
    if digits < 5 {
        code
    } else {
        code.get(digits..).unwrap_or("")
    }
}
