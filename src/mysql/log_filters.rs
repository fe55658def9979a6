//! Which databases the server logs at all (`binlog_do_db`, `binlog_ignore_db`). In a log of rows the database of
//! the table counts.

use std::fmt;

use headwater_actors::failure::Failure;
use headwater_binlog::schema::NameCase;

use super::facts::{Server, text};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilters {
    /// Where there are any, no other one is logged.
    only: Vec<String>,
    never: Vec<String>,
}

impl LogFilters {
    /// From lists as the server prints them.
    pub fn new(only: &str, never: &str) -> Self {
        let names = |list: &str| {
            let names = list.split(',').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        Self {
            only: names(only),
            never: names(never),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.only.is_empty() && self.never.is_empty()
    }

    pub fn logs(&self, database: &str, case: NameCase) -> bool {
        let has = |names: &[String]| names.iter().any(|name| case.fold(name.clone()) == database);
        if self.only.is_empty() {
            !has(&self.never)
        } else {
            has(&self.only)
        }
    }
}

impl fmt::Display for LogFilters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("binlog_do_db", &self.only),
            ("binlog_ignore_db", &self.never),
        ];
        let told = lists.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told
            .map(|(name, names)| format!("{name} = {}", names.join(",")))
            .collect();
        formatter.write_str(&told.join(", "))
    }
}

impl Server {
    pub async fn log_filters(&mut self) -> Result<LogFilters, Failure> {
        let row = self.head_row().await?;
        let list = |index| text(&row, index).unwrap_or_default();
        Ok(LogFilters::new(&list(2), &list(3)))
    }
}
