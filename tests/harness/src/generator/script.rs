//! What happens in a round, and in which order: session options, tables, rows, then transactions with
//! savepoints and statements that change tables, mixed.

use super::{
    moment::{Moment, Touched},
    round::{MARKS, Round},
    schema::{Rows, path, quote, shortened},
    shape::{DATABASES, Special},
};

/// How much a round does: told by its seed alone, so that the seed is all that has to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub tables: u64,
    pub rows_per_table: u64,
}

impl Size {
    pub fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(!seed);
        Self {
            tables: rng.u64(3..=6),
            rows_per_table: [20, 60, 150, 300, 700][rng.usize(..5)],
        }
    }

    /// Changes behind the making of the tables.
    pub fn steps(self) -> u64 {
        self.tables * (12 + self.rows_per_table / 16)
    }
}

impl Round<'_> {
    /// The whole round; its tables are left for the comparison.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn play(&mut self, size: Size) -> anyhow::Result<()> {
        self.begin().await?;
        self.make(size).await?;
        self.go_on(size.steps()).await
    }

    /// Tables with rows.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn make(&mut self, size: Size) -> anyhow::Result<()> {
        let mut number = 0;
        while number < size.tables {
            let special = match self.rng.u8(..16) {
                0 | 1 => Special::Partitioned,
                2 if self.rng.bool() && !self.is_for_warehouse => {
                    Special::Wide(self.rng.usize(1001..=4000))
                }
                // PostgreSQL reads a line anew for each of its columns.
                2 if self.is_for_warehouse => Special::Wide(self.rng.usize(60..=100)),
                2 => Special::Wide(self.rng.usize(100..=1000)),
                3 | 4 => Special::Parent,
                _ => Special::None,
            };
            let made = self.create(number, special).await?;
            number += 1;
            if let (Special::Parent, Some(parent)) = (special, made) {
                self.create(number, Special::Child(parent)).await?;
                number += 1;
            }
        }
        for at in 0..self.members.len() {
            let most = match self.members[at].special {
                Special::Wide(_) => size.rows_per_table / 20 + 2,
                _ => size.rows_per_table,
            };
            // Each tenth was refused at least, where rows are in each other's way; then it is enough.
            for _ in 0..most.div_ceil(10) {
                if self.members[at].rows.len() as u64 >= most {
                    break;
                }
                self.insert("INSERT", at, 40).await?;
            }
        }
        Ok(())
    }

    /// So many statements, or transactions of some.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn go_on(&mut self, steps: u64) -> anyhow::Result<()> {
        let mut left = steps;
        while left > 0 {
            left -= 1;
            match self.rng.u8(..20) {
                0 | 1 if self.has_statements => self.define_something().await?,
                0 if self.rng.u8(..8) == 0 => self.empty_something().await?,
                2..=6 => self.transact().await?,
                7 if self.rng.u8(..250) == 0 && !self.is_for_warehouse => {
                    self.write_large().await?;
                }
                _ => self.change_something().await?,
            }
        }
        Ok(())
    }

    /// Session options, and empty databases.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let image = match self.is_for_warehouse {
            true => "FULL",
            false => ["FULL", "FULL", "FULL", "MINIMAL", "NOBLOB"][self.rng.usize(..5)],
        };
        self.is_partial = image != "FULL";
        let on = |rng: &mut fastrand::Rng| if rng.u8(..4) == 0 { "ON" } else { "OFF" };
        let compression = on(&mut self.rng);
        let queries = on(&mut self.rng);
        let checksum = ["CRC32", "CRC32", "NONE"][self.rng.usize(..3)];
        let sql_mode =
            ["", "", "ALLOW_INVALID_DATES", "NO_AUTO_VALUE_ON_ZERO"][self.rng.usize(..4)];
        let own_key = if self.is_partial {
            "OFF"
        } else {
            on(&mut self.rng)
        };
        self.has_own_key = own_key == "ON";
        self.run(&format!(
            "SET SESSION binlog_row_image = {image}, binlog_transaction_compression = {compression}, \
             binlog_rows_query_log_events = {queries}, sql_mode = '{sql_mode}', \
             sql_generate_invisible_primary_key = {own_key}, GLOBAL binlog_checksum = {checksum}"
        ))
        .await?;
        self.run("SET foreign_key_checks = 0").await?;
        for database in DATABASES {
            self.run(&format!("DROP DATABASE IF EXISTS {}", quote(database)))
                .await?;
            self.run(&format!("CREATE DATABASE {}", quote(database)))
                .await?;
        }
        self.run("SET foreign_key_checks = 1").await?;
        self.run("USE golden").await?;
        self.run("DROP DATABASE IF EXISTS marks").await?;
        self.run("CREATE DATABASE marks").await?;
        self.run(&format!("CREATE TABLE {MARKS} (n BIGINT PRIMARY KEY)"))
            .await
    }

    /// Several changes at once, some taken back.
    async fn transact(&mut self) -> anyhow::Result<()> {
        if self
            .members
            .iter()
            .any(|it| matches!(it.special, Special::Wide(1001..)))
        {
            return self.change_something().await; // of an engine without transactions
        }
        self.run("BEGIN").await?;
        self.in_transaction = true;
        let start = self.state();
        let mut savepoints: Vec<Vec<Rows>> = Vec::new();
        for _ in 0..self.rng.usize(1..9) {
            match self.rng.u8(..8) {
                0 => {
                    self.run(&format!("SAVEPOINT s{}", savepoints.len()))
                        .await?;
                    savepoints.push(self.state());
                }
                1 if !savepoints.is_empty() => {
                    let back = self.rng.usize(..savepoints.len());
                    self.run(&format!("ROLLBACK TO SAVEPOINT s{back}")).await?;
                    self.restore(savepoints[back].clone());
                    savepoints.truncate(back + 1);
                }
                _ => self.change_something().await?,
            }
        }
        self.in_transaction = false;
        if self.rng.u8(..6) == 0 {
            self.run("ROLLBACK").await?;
            self.restore(start);
            return Ok(());
        }
        self.run("COMMIT").await
    }

    fn state(&self) -> Vec<Rows> {
        self.members.iter().map(|it| it.rows.clone()).collect()
    }

    fn restore(&mut self, state: Vec<Rows>) {
        for (member, rows) in self.members.iter_mut().zip(state) {
            member.rows = rows;
        }
    }

    /// A value of 16 MiB.
    async fn write_large(&mut self) -> anyhow::Result<()> {
        let name = format!("l{}", self.counts.ddl);
        let place = path("golden", &name);
        let sql = format!("CREATE TABLE {place} (id BIGINT PRIMARY KEY, v LONGBLOB, t LONGTEXT)");
        if !self.define(&sql, &[]).await? {
            return Ok(());
        }
        let at = self.adopt(
            "golden",
            &name,
            std::collections::HashMap::new(),
            Special::None,
        );
        let at = at.await?;
        let sql = format!(
            "INSERT INTO {place} VALUES (1, REPEAT(x'00ff5c', 5592406), REPEAT('é\\n', 100000))"
        );
        self.change(&sql, &[(at, super::round::Reach::Ids(vec![1]))])
            .await?;
        let sql = format!("UPDATE {place} SET t = 'short' WHERE id = 1");
        self.change(&sql, &[(at, super::round::Reach::Ids(vec![1]))])
            .await?;
        self.define(&format!("TRUNCATE {place}"), &[at]).await?;
        Ok(())
    }

    /// The rows that came with the statement that made their table.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn note_made(&mut self, at: usize, sql: &str) -> anyhow::Result<()> {
        let member = &self.members[at];
        let moment = Moment {
            statement: shortened(sql),
            touched: vec![Touched {
                table: member.table.clone(),
                is_partial: false,
                before: Rows::new(),
                after: member.rows.clone(),
            }],
        };
        self.note(moment).await
    }
}
