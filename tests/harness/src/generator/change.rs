//! Statements that change rows: of every kind that MySQL has, by ids, so that what they may touch is known.

use super::{
    round::{Reach, Round},
    schema::{Column, ID, list, quote},
    shape::{Source, Special},
};
use crate::golden::compare::Compare;

impl Round<'_> {
    /// One random statement on one random table, or on two.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn change_something(&mut self) -> anyhow::Result<()> {
        let Some(at) = self.any_member() else {
            return Ok(());
        };
        match self.rng.u8(..24) {
            0..=2 => self.insert("INSERT", at, 9).await,
            3..=9 => self.update(at).await,
            10 => self.move_id(at).await,
            11 => self.upsert(at).await,
            12 | 13 => self.replace(at).await,
            14..=16 => self.delete(at).await,
            17 => self.copy(at).await,
            18 => self.load(at).await,
            19 => self.update_two(at).await,
            20 => self.delete_two(at).await,
            21 => self.change_nothing(at).await,
            22 => self.repeat(at).await,
            _ => self.insert("INSERT IGNORE", at, 1).await,
        }
    }

    /// New rows, of all columns or of some.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn insert(&mut self, verb: &str, at: usize, most: usize) -> anyhow::Result<()> {
        let count = self.rng.usize(1..=most);
        let ids = self.new_ids(count);
        // Two rows of one statement may be in each other's way: what was between, no SELECT has seen.
        let has_conflicts = self.members[at].has_conflicts;
        let verb = match (verb, has_conflicts) {
            ("INSERT", true) => "INSERT IGNORE",
            (verb, _) => verb,
        };
        let sql = self.insert_of(verb, at, &ids);
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    fn insert_of(&mut self, verb: &str, at: usize, ids: &[i64]) -> String {
        let table = self.members[at].table.clone();
        let is_whole = self.rng.u8(..3) > 0;
        let mut columns = self.settable(at);
        columns.retain(|column| is_whole || !column.is_nullable || self.rng.bool());
        let mut names = vec![ID.to_owned()];
        names.extend(columns.iter().map(|column| quote(&column.name)));
        let rows: Vec<String> = ids
            .iter()
            .map(|id| {
                let values = columns.iter().map(|column| self.value(at, column));
                let values: Vec<String> = std::iter::once(id.to_string()).chain(values).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        format!(
            "{verb} INTO {} ({}) VALUES {}",
            table.path(),
            names.join(", "),
            rows.join(", ")
        )
    }

    /// The columns that a statement may give a value, but the id.
    fn settable(&self, at: usize) -> Vec<Column> {
        let member = &self.members[at];
        let is_settable = |column: &&Column| {
            let is_left = column.name == ID || column.is_generated || column.is_touched;
            let is_known = member.sources.contains_key(&column.name);
            !is_left && (is_known || self.is_of_wide(at))
        };
        let columns = member.table.columns.iter();
        columns.filter(is_settable).cloned().collect()
    }

    fn is_of_wide(&self, at: usize) -> bool {
        matches!(self.members[at].special, Special::Wide(_))
    }

    fn value(&mut self, at: usize, column: &Column) -> String {
        // `bit = DEFAULT` in a MyISAM table, as wide ones are, overwrites the next column too, unlogged.
        let is_overflowing = self.is_of_wide(at) && column.column_type.starts_with("bit");
        match self.rng.u8(..48) {
            0..=5 if column.is_nullable => return "NULL".into(),
            6 if column.is_nullable && !is_overflowing => return "DEFAULT".into(),
            _ => {}
        }
        match self.members[at].sources.get(&column.name) {
            Some(Source::Type(place)) => self.catalogue.get(*place).value(&mut self.rng),
            Some(Source::Parent(parent)) => {
                let ids: Vec<i64> = self.members[*parent].rows.keys().copied().collect();
                let id = self.rng.choice(&ids);
                id.map_or("NULL".into(), i64::to_string)
            }
            None => self.rng.u8(..8).to_string(),
        }
    }

    /// `column = value, …` of some columns, names qualified.
    fn sets(&mut self, at: usize) -> Vec<String> {
        let table = self.members[at].table.clone();
        let all = self.settable(at);
        let mut sets = Vec::new();
        let share = self.rng.usize(1..=all.len().max(1));
        for column in &all {
            if self.rng.usize(..all.len()) >= share {
                continue;
            }
            let name = format!("{}.{}", table.path(), quote(&column.name));
            let value = if column.compare.is_document() && self.rng.bool() {
                self.document_change(&name)
            } else {
                self.value(at, column)
            };
            sets.push(format!("{name} = {value}"));
        }
        sets
    }

    /// A change inside of a document, which leaves room unused in its bytes.
    fn document_change(&mut self, name: &str) -> String {
        let changes = [
            format!("JSON_SET({name}, '$.k', 'a longer text than before', '$[0]', 7)"),
            format!("JSON_REPLACE({name}, '$.a', 1, '$[1]', NULL, '$.b', JSON_ARRAY())"),
            format!("JSON_REMOVE({name}, '$[0]')"),
            format!("JSON_REMOVE({name}, '$.a')"),
            format!("JSON_ARRAY_APPEND({name}, '$', CAST('2024-02-29' AS DATE))"),
            format!("JSON_MERGE_PATCH({name}, '{{\"n\":{{\"é\":null,\"x\":1.5}}}}')"),
        ];
        changes[self.rng.usize(..changes.len())].clone()
    }

    async fn update(&mut self, at: usize) -> anyhow::Result<()> {
        let (sets, ids) = (self.sets(at), self.some_ids(at, 6));
        if sets.is_empty() || ids.is_empty() {
            return Ok(());
        }
        let ids = match self.members[at].has_conflicts {
            true => ids[..1].to_vec(),
            false => ids,
        };
        let sql = format!(
            "UPDATE {} SET {} WHERE {ID} IN ({})",
            self.members[at].table.path(),
            sets.join(", "),
            list(&ids)
        );
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    /// The id itself, which is most often the key; children follow.
    async fn move_id(&mut self, at: usize) -> anyhow::Result<()> {
        let ids = self.some_ids(at, 1);
        let [id] = ids.as_slice() else {
            return Ok(());
        };
        let new = self.new_ids(1);
        let sql = format!(
            "UPDATE {} SET {ID} = {} WHERE {ID} = {id}",
            self.members[at].table.path(),
            list(&new)
        );
        let both = [ids.clone(), new].concat();
        self.change(&sql, &[(at, Reach::Ids(both))]).await?;
        Ok(())
    }

    async fn upsert(&mut self, at: usize) -> anyhow::Result<()> {
        let ids = self.ids_to_meet(at, 4);
        let insert = self.insert_of("INSERT", at, &ids);
        let mut sets = self.sets(at);
        if sets.is_empty() {
            sets.push(format!(
                "{}.{ID} = {}.{ID}",
                self.members[at].table.path(),
                self.members[at].table.path()
            ));
        }
        let sql = format!("{insert} ON DUPLICATE KEY UPDATE {}", sets.join(", "));
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    async fn replace(&mut self, at: usize) -> anyhow::Result<()> {
        let ids = self.ids_to_meet(at, 3);
        let sql = self.insert_of("REPLACE", at, &ids);
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    /// Ids for rows that may meet their like: those that are there only where the id alone is the key, or a
    /// row of the same id would stand beside it.
    fn ids_to_meet(&mut self, at: usize, most: usize) -> Vec<i64> {
        let mut ids = self.new_ids(2);
        if self.members[at].table.key == [ID] {
            ids.extend(self.some_ids(at, most));
            self.rng.shuffle(&mut ids);
        }
        if self.members[at].has_conflicts {
            ids.truncate(1);
        }
        ids
    }

    async fn delete(&mut self, at: usize) -> anyhow::Result<()> {
        let ids = self.some_ids(at, 4);
        if ids.is_empty() {
            return Ok(());
        }
        let limit = match self.rng.u8(..4) {
            0 => " ORDER BY id LIMIT 1",
            _ => "",
        };
        let sql = format!(
            "DELETE FROM {} WHERE {ID} IN ({}){limit}",
            self.members[at].table.path(),
            list(&ids)
        );
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    /// Rows copied by the server, under new ids.
    async fn copy(&mut self, at: usize) -> anyhow::Result<()> {
        let ids: Vec<i64> = self.some_ids(at, 5);
        let ids: Vec<i64> = ids
            .into_iter()
            .filter(|id| (1..1 << 41).contains(id))
            .collect();
        if ids.is_empty() || self.members[at].has_conflicts {
            return Ok(());
        }
        let block = self.new_block();
        let table = self.members[at].table.clone();
        let names: Vec<String> = self.settable(at).iter().map(named).collect();
        let names = names.concat();
        let sql = format!(
            "INSERT INTO {0} ({ID}{names}) SELECT {ID} + {block}{names} FROM {0} WHERE {ID} IN ({1})",
            table.path(),
            list(&ids)
        );
        let ids = ids.into_iter().map(|id| id + block).collect();
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    /// LOAD DATA of a file that the server wrote.
    async fn load(&mut self, at: usize) -> anyhow::Result<()> {
        let ids: Vec<i64> = self.some_ids(at, 8);
        let ids: Vec<i64> = ids
            .into_iter()
            .filter(|id| (1..1 << 41).contains(id))
            .collect();
        if ids.is_empty() || self.in_transaction {
            return Ok(());
        }
        let block = self.new_block();
        let file = self.folder.join(format!("load-{block}"));
        let table = self.members[at].table.clone();
        let is_plain = |column: &&Column| {
            !matches!(column.compare, Compare::Base64 | Compare::Vector)
                && !column.compare.is_document()
                && column.data_type != "bit"
        };
        let columns = self.settable(at);
        let names: Vec<String> = columns.iter().filter(is_plain).map(named).collect();
        let names = names.concat();
        let path = table.path();
        let file = file.display();
        let out = format!(
            "SELECT {ID} + {block}{names} FROM {path} WHERE {ID} IN ({}) \
             INTO OUTFILE '{file}' CHARACTER SET utf8mb4",
            list(&ids)
        );
        if !self.try_run(&out).await? {
            return Ok(());
        }
        let sql = format!(
            "LOAD DATA INFILE '{file}' IGNORE INTO TABLE {path} CHARACTER SET utf8mb4 ({ID}{names})"
        );
        let ids = ids.into_iter().map(|id| id + block).collect();
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }

    /// Another table than this, for statements on two.
    fn another(&mut self, at: usize) -> Option<usize> {
        let other = self.any_member()?;
        let has_conflicts = self.members[at].has_conflicts || self.members[other].has_conflicts;
        let is_family = self.members[other].special == Special::Child(at)
            || self.members[at].special == Special::Child(other);
        (other != at
            && !has_conflicts
            && !is_family
            && !self.is_of_wide(at)
            && !self.is_of_wide(other))
        .then_some(other)
    }

    async fn update_two(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(other) = self.another(at) else {
            return self.update(at).await;
        };
        let (one, two) = (self.some_ids(at, 3), self.some_ids(other, 3));
        let sets = [self.sets(at), self.sets(other)].concat();
        if one.is_empty() || two.is_empty() || sets.is_empty() {
            return Ok(());
        }
        let (first, second) = (
            self.members[at].table.path(),
            self.members[other].table.path(),
        );
        let sql = format!(
            "UPDATE {first}, {second} SET {} WHERE {first}.{ID} IN ({}) AND {second}.{ID} IN ({})",
            sets.join(", "),
            list(&one),
            list(&two)
        );
        let reach = [(at, Reach::Ids(one)), (other, Reach::Ids(two))];
        self.change(&sql, &reach).await?;
        Ok(())
    }

    async fn delete_two(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(other) = self.another(at) else {
            return self.delete(at).await;
        };
        let (one, two) = (self.some_ids(at, 2), self.some_ids(other, 2));
        if one.is_empty() || two.is_empty() {
            return Ok(());
        }
        let (first, second) = (
            self.members[at].table.path(),
            self.members[other].table.path(),
        );
        let sql = format!(
            "DELETE {first}, {second} FROM {first} INNER JOIN {second} \
             WHERE {first}.{ID} IN ({}) AND {second}.{ID} IN ({})",
            list(&one),
            list(&two)
        );
        let reach = [(at, Reach::Ids(one)), (other, Reach::Ids(two))];
        self.change(&sql, &reach).await?;
        Ok(())
    }

    /// An update that sets what is there; the server logs nothing of it.
    async fn change_nothing(&mut self, at: usize) -> anyhow::Result<()> {
        let table = self.members[at].table.clone();
        let sql = format!("UPDATE {} SET {ID} = {ID}", table.path());
        self.change(&sql, &[(at, Reach::Ids(Vec::new()))]).await?;
        Ok(())
    }

    /// The same row once more, where no key forbids it; both are changed alike from then on.
    async fn repeat(&mut self, at: usize) -> anyhow::Result<()> {
        let table = self.members[at].table.clone();
        let ids = self.some_ids(at, 1);
        if !table.key.is_empty() || self.members[at].has_conflicts || ids.is_empty() {
            return self.update(at).await;
        }
        let names: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.is_generated)
            .map(|column| quote(&column.name))
            .collect();
        let names = names.join(", ");
        let sql = format!(
            "INSERT INTO {0} ({names}) SELECT {names} FROM {0} WHERE {ID} = {1} LIMIT 1",
            table.path(),
            list(&ids)
        );
        self.change(&sql, &[(at, Reach::Ids(ids))]).await?;
        Ok(())
    }
}

/// `, column`
fn named(column: &Column) -> String {
    format!(", {}", quote(&column.name))
}
