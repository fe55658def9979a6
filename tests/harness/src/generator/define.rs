//! Statements that change tables: columns added, dropped, renamed, moved, of another type or character set,
//! labels in another order, keys, names, partitions, whole tables. Many change rows that no event tells of.

use std::collections::HashMap;

use super::{
    literal::labels,
    round::Round,
    schema::{Column, ID, list, path, quote},
    shape::{self, DATABASES, Source, Special, definition},
};
use crate::golden::texts::CHARSETS;

impl Round<'_> {
    /// One random statement on one random table.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn define_something(&mut self) -> anyhow::Result<()> {
        let Some(at) = self.any_member() else {
            return Ok(());
        };
        match self.rng.u8(..26) {
            0..=3 => self.add_column(at).await,
            4 | 5 => self.drop_column(at).await,
            6 | 7 => self.rename_column(at).await,
            8 | 9 => self.move_column(at).await,
            10..=12 => self.change_type(at).await,
            13 | 14 => self.reorder_labels(at).await,
            15 => self.convert(at).await,
            16 | 17 => self.rename(at).await,
            18 => self.swap(at).await,
            19 => self.truncate(at).await,
            20 => self.change_key(at).await,
            21 => self.make_of_query(at).await,
            22 => self.set_visible(at).await,
            _ => self.partitions(at).await,
        }
    }

    /// `FIRST`, `AFTER` a column, or at the end.
    fn somewhere(&mut self, at: usize) -> String {
        let columns = &self.members[at].table.columns;
        match self.rng.u8(..3) {
            0 => " FIRST".into(),
            1 => {
                let column = &columns[self.rng.usize(..columns.len())];
                format!(" AFTER {}", quote(&column.name))
            }
            _ => String::new(),
        }
    }

    /// A column whose values are ours.
    fn own_column(&mut self, at: usize) -> Option<Column> {
        let member = &self.members[at];
        let is_own = |column: &&Column| {
            column.name != ID && matches!(member.sources.get(&column.name), Some(Source::Type(_)))
        };
        let own: Vec<&Column> = member.table.columns.iter().filter(is_own).collect();
        self.rng.choice(own).cloned()
    }

    async fn alter(&mut self, at: usize, change: &str) -> anyhow::Result<bool> {
        let algorithm = match self.rng.u8(..6) {
            0 => ", ALGORITHM = COPY",
            1 => ", ALGORITHM = INPLACE",
            _ => "",
        };
        let sql = format!(
            "ALTER TABLE {} {change}{algorithm}",
            self.members[at].table.path()
        );
        self.define(&sql, &[at]).await
    }

    async fn add_column(&mut self, at: usize) -> anyhow::Result<()> {
        let name = format!("n{}{}", self.counts.ddl, shape::odd(&mut self.rng));
        let name = name.trim_end();
        let place = self.somewhere(at);
        if self.rng.u8(..5) == 0 {
            let column = shape::generated(name, &mut self.rng);
            self.alter(at, &format!("ADD COLUMN {column}{place}"))
                .await?;
            return Ok(());
        }
        let source = self.catalogue.any(&mut self.rng);
        let is_nullable = self.rng.u8(..4) > 0;
        let column = definition(self.catalogue, name, source, is_nullable, &mut self.rng);
        if self
            .alter(at, &format!("ADD COLUMN {column}{place}"))
            .await?
        {
            let sources = &mut self.members[at].sources;
            sources.insert(name.to_owned(), Source::Type(source));
        }
        Ok(())
    }

    async fn drop_column(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(column) = self.own_column(at) else {
            return Ok(());
        };
        // A key would lose its part.
        if self.members[at].table.key.contains(&column.name) {
            return Ok(());
        }
        let name = quote(&column.name);
        self.alter(at, &format!("DROP COLUMN {name}")).await?;
        Ok(())
    }

    async fn rename_column(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(column) = self.own_column(at) else {
            return Ok(());
        };
        let name = format!("r{}{}", self.counts.ddl, shape::odd(&mut self.rng));
        let name = name.trim_end();
        let change = format!("RENAME COLUMN {} TO {}", quote(&column.name), quote(name));
        if self.alter(at, &change).await? {
            let sources = &mut self.members[at].sources;
            if let Some(source) = sources.remove(&column.name) {
                sources.insert(name.to_owned(), source);
            }
        }
        Ok(())
    }

    /// The type as the server has it, with its character set, but no default.
    fn as_it_is(column: &Column, column_type: &str) -> String {
        let collation = column.collation.as_deref();
        let collation = collation.map_or(String::new(), |name| {
            let charset = name.split('_').next().unwrap_or(name);
            format!(" CHARACTER SET {charset} COLLATE {name}")
        });
        let null = if column.is_nullable {
            "NULL"
        } else {
            "NOT NULL"
        };
        format!("{} {column_type}{collation} {null}", quote(&column.name))
    }

    async fn move_column(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(column) = self.own_column(at) else {
            return Ok(());
        };
        let place = self.somewhere(at);
        let column = Self::as_it_is(&column, &column.column_type);
        self.alter(at, &format!("MODIFY COLUMN {column}{place}"))
            .await?;
        Ok(())
    }

    /// Another type of the same family. The documents of a line do not hold all that a column of JSON does,
    /// and index 0 of an ENUM looks like a label '': text made of these differs at a consumer.
    async fn change_type(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(column) = self.own_column(at) else {
            return Ok(());
        };
        let Some(Source::Type(from)) = self.members[at].sources.get(&column.name).copied() else {
            return Ok(());
        };
        if column.data_type == "json" || column.column_type.contains("''") {
            return Ok(());
        }
        let to = self.catalogue.sibling(from, &mut self.rng);
        let sql = &self.catalogue.get(to).sql;
        // The server (9.7) makes VECTORs of 25 bytes of points.
        if (column.data_type == "vector") != sql.starts_with("VECTOR") {
            return Ok(());
        }
        let null = if column.is_nullable {
            "NULL"
        } else {
            "NOT NULL"
        };
        let name = quote(&column.name);
        if self
            .alter(at, &format!("MODIFY COLUMN {name} {sql} {null}"))
            .await?
        {
            let sources = &mut self.members[at].sources;
            sources.insert(column.name, Source::Type(to));
        }
        Ok(())
    }

    /// The labels of an ENUM or SET in another order: every row's bytes change, no event says so.
    async fn reorder_labels(&mut self, at: usize) -> anyhow::Result<()> {
        let has_labels = |column: &&Column| {
            matches!(column.data_type.as_str(), "enum" | "set")
                && column.collation.as_deref() != Some("binary")
        };
        let table = self.members[at].table.clone();
        let columns: Vec<&Column> = table.columns.iter().filter(has_labels).collect();
        let Some(column) = self.rng.choice(columns) else {
            return self.change_type(at).await;
        };
        let Some((kind, mut labels)) = labels(&column.column_type) else {
            return Ok(());
        };
        self.rng.shuffle(&mut labels);
        let column = Self::as_it_is(column, &format!("{kind}({})", labels.join(",")));
        self.alter(at, &format!("MODIFY COLUMN {column}")).await?;
        Ok(())
    }

    async fn convert(&mut self, at: usize) -> anyhow::Result<()> {
        if self.has_odd_labels(at) {
            return Ok(());
        }
        let charset = CHARSETS[self.rng.usize(..CHARSETS.len())];
        if is_wide(charset) && self.has_labels(at) {
            return Ok(());
        }
        let change = format!("CONVERT TO CHARACTER SET {charset}");
        self.alter(at, &change).await?;
        Ok(())
    }

    fn has_labels(&self, at: usize) -> bool {
        self.members[at]
            .table
            .columns
            .iter()
            .any(Column::has_labels)
    }

    /// Labels beyond ASCII or of two or four bytes a character, which the server (9.7) itself gets wrong:
    /// CONVERT TO keeps their bytes and calls them text of the new character set; CREATE TABLE … SELECT logs
    /// `?` for what is beyond the basic plane.
    fn has_odd_labels(&self, at: usize) -> bool {
        let is_odd = |column: &Column| {
            let is_odd = || {
                let collation = column.collation.as_deref().unwrap_or_default();
                is_wide(collation) || !column.column_type.is_ascii()
            };
            column.has_labels() && is_odd()
        };
        self.members[at].table.columns.iter().any(is_odd)
    }

    async fn rename(&mut self, at: usize) -> anyhow::Result<()> {
        let table = self.members[at].table.clone();
        let name = format!("m{}{}", self.counts.ddl, shape::odd(&mut self.rng));
        let (database, name) = (DATABASES[self.rng.usize(..2)], name.trim_end());
        let new = path(database, name);
        let sql = match self.rng.bool() {
            true => format!("RENAME TABLE {} TO {new}", table.path()),
            false => format!("ALTER TABLE {} RENAME TO {new}", table.path()),
        };
        if self.define(&sql, &[]).await? {
            self.call(at, database, name);
            self.refresh(at).await?;
        }
        Ok(())
    }

    /// Makes a member look under another name when it is read again.
    fn call(&mut self, at: usize, database: &str, name: &str) {
        let mut table = (*self.members[at].table).clone();
        (table.database, table.name) = (database.to_owned(), name.to_owned());
        self.members[at].table = table.into();
    }

    /// Two tables change their names.
    async fn swap(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(other) = self.any_member().filter(|other| *other != at) else {
            return Ok(());
        };
        let one = self.members[at].table.clone();
        let two = self.members[other].table.clone();
        let sql = format!(
            "RENAME TABLE {0} TO golden.between, {1} TO {0}, golden.between TO {1}",
            one.path(),
            two.path()
        );
        if self.define(&sql, &[]).await? {
            self.call(at, &two.database, &two.name);
            self.call(other, &one.database, &one.name);
            self.refresh(at).await?;
            self.refresh(other).await?;
        }
        Ok(())
    }

    /// TRUNCATE, of all statements on tables.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn empty_something(&mut self) -> anyhow::Result<()> {
        match self.any_member() {
            Some(at) => self.truncate(at).await,
            None => Ok(()),
        }
    }

    async fn truncate(&mut self, at: usize) -> anyhow::Result<()> {
        let path = self.members[at].table.path();
        self.define(&format!("TRUNCATE TABLE {path}"), &[at])
            .await?;
        self.insert("INSERT", at, 20).await
    }

    /// The primary key goes, or the id becomes it.
    async fn change_key(&mut self, at: usize) -> anyhow::Result<()> {
        if self.is_partial || self.members[at].special != Special::None {
            return Ok(());
        }
        let change = match self.members[at].table.key.is_empty() {
            true => format!("ADD PRIMARY KEY ({ID})"),
            false => "DROP PRIMARY KEY".to_owned(),
        };
        if self.alter(at, &change).await? {
            let member = &mut self.members[at];
            let has_id_alone = member.table.key.is_empty() || member.table.has_id_in_key();
            member.has_conflicts &= !has_id_alone || member.table.key.is_empty();
        }
        Ok(())
    }

    /// A statement and its rows in one transaction.
    async fn make_of_query(&mut self, at: usize) -> anyhow::Result<()> {
        let ids = self.some_ids(at, 8);
        let is_odd = self.has_odd_labels(at) || self.members[at].special != Special::None;
        if self.is_partial || ids.is_empty() || is_odd {
            return Ok(());
        }
        let table = self.members[at].table.clone();
        let name = format!("q{}", self.counts.ddl);
        let names: Vec<String> = table.columns.iter().map(|it| quote(&it.name)).collect();
        let sql = format!(
            "CREATE TABLE golden.{name} SELECT {} FROM {} WHERE {ID} IN ({})",
            names.join(", "),
            table.path(),
            list(&ids)
        );
        if !self.define(&sql, &[]).await? {
            return Ok(());
        }
        let sources: HashMap<String, Source> = self.members[at].sources.clone();
        let made = self.adopt("golden", &name, sources, Special::None).await?;
        self.note_made(made, &sql).await
    }

    async fn set_visible(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(column) = self.own_column(at) else {
            return Ok(());
        };
        let is = ["VISIBLE", "INVISIBLE"][self.rng.usize(..2)];
        let name = quote(&column.name);
        self.alter(at, &format!("ALTER COLUMN {name} SET {is}"))
            .await?;
        Ok(())
    }

    /// Partitions emptied, dropped, or exchanged with a table.
    async fn partitions(&mut self, at: usize) -> anyhow::Result<()> {
        let is_partitioned = |at: &usize| {
            let member = &self.members[*at];
            member.special == Special::Partitioned && member.is_there
        };
        let Some(at) = (0..self.members.len()).find(is_partitioned) else {
            return self.add_column(at).await;
        };
        let partition = ["p0", "p1"][self.rng.usize(..2)];
        match self.rng.u8(..5) {
            0 => {
                self.alter(at, &format!("TRUNCATE PARTITION {partition}"))
                    .await?;
            }
            1 => {
                self.alter(at, "DROP PARTITION p0").await?;
            }
            _ => self.exchange(at, partition).await?,
        }
        Ok(())
    }

    async fn exchange(&mut self, at: usize, partition: &str) -> anyhow::Result<()> {
        let whole = self.members[at].table.path();
        let name = format!("x{}", self.counts.ddl);
        let like = format!("CREATE TABLE golden.{name} LIKE {whole}");
        if !self.define(&like, &[]).await? {
            return Ok(());
        }
        let sql = format!("ALTER TABLE golden.{name} REMOVE PARTITIONING");
        self.define(&sql, &[]).await?;
        let sources = self.members[at].sources.clone();
        let one = self.adopt("golden", &name, sources, Special::None).await?;
        let ids = self.members[at].rows.keys().copied().collect::<Vec<_>>();
        if ids.is_empty() {
            self.insert("INSERT", at, 9).await?;
        }
        let sql =
            format!("ALTER TABLE {whole} EXCHANGE PARTITION {partition} WITH TABLE golden.{name}");
        self.define(&sql, &[at, one]).await?;
        Ok(())
    }
}

/// Whether its characters have two or four bytes, also the ASCII ones.
fn is_wide(charset_or_collation: &str) -> bool {
    let wide = ["ucs2", "utf16", "utf32"];
    wide.iter().any(|it| charset_or_collation.starts_with(it))
}
