//! By which key a table is read: its primary key, else a unique key over NOT NULL columns. Pure.
//!
//! Every row has such a key, and no two rows have the same one. A key over the first characters of a column, or over an
//! expression, tells rows apart by something that their images do not hold, so it is passed over, the primary key too;
//! so is one with a UUID of MariaDB, which is in no order that a SELECT follows.
//! Indexes come in the server's own order, in which the first of these unique keys is the one that rows are stored by
//! where there is no primary key; a log with full metadata names that one as the key.
//! <https://dev.mysql.com/doc/refman/8.4/en/innodb-index-types.html>

use headwater_binlog::columns::ListedColumn;

pub(super) const PRIMARY: &str = "PRIMARY";

/// A row of SHOW INDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexColumn {
    pub index: String,
    pub is_unique: bool,
    /// `None` for an expression.
    pub column: Option<String>,
    pub is_prefix: bool,
    pub is_nullable: bool,
    pub is_descending: bool,
    /// BTREE, and neither invisible nor ignored.
    pub is_usable: bool,
}

/// Indexes into the table's columns, in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// By which the table is read; empty without such a key.
    pub key: Vec<usize>,
    pub index: String,
    /// What the log gives as the primary key.
    pub logged: Vec<usize>,
}

/// `None` where an index names a column that is not listed: the two were asked for at different times.
pub(super) fn choose(columns: &[ListedColumn], parts: &[IndexColumn]) -> Option<Keys> {
    let mut indexes: Vec<Vec<&IndexColumn>> = Vec::new();
    for part in parts {
        match indexes.last_mut() {
            Some(index) if index.iter().all(|other| other.index == part.index) => index.push(part),
            _ => indexes.push(vec![part]),
        }
    }
    let place = |part: &&IndexColumn| {
        let name = part.column.as_ref()?;
        columns.iter().position(|column| column.name == *name)
    };
    let places = |index: &[&IndexColumn]| index.iter().map(place).collect::<Option<Vec<usize>>>();
    // Servers have the primary key first.
    let logged = indexes
        .iter()
        .find(|index| is(index, PRIMARY) || tells_rows_apart(index));
    let fit = || {
        let fit = indexes.iter().filter(|index| tells_rows_apart(index));
        let is_ordered = |part: &&IndexColumn| {
            let column = place(part).and_then(|place| columns.get(place));
            part.is_usable && column.is_none_or(|column| !is_uuid(column))
        };
        fit.filter(move |index| index.iter().all(&is_ordered))
    };
    // An index of both directions is in no order that one ORDER BY can ask for.
    let chosen = fit()
        .find(|index| is_in_one_direction(index))
        .or_else(|| fit().next());
    Some(Keys {
        key: chosen.map_or(Some(Vec::new()), |index| places(index))?,
        index: chosen
            .and_then(|index| index.first())
            .map_or_else(String::new, |part| part.index.clone()),
        logged: logged.map_or(Some(Vec::new()), |index| places(index))?,
    })
}

/// MariaDB (10.11) stores some UUIDs in an order by which it does not compare, so rows behind one could be left out.
fn is_uuid(column: &ListedColumn) -> bool {
    column.column_type.eq_ignore_ascii_case("uuid")
}

fn is(index: &[&IndexColumn], name: &str) -> bool {
    index.iter().all(|part| part.index == name)
}

fn tells_rows_apart(index: &[&IndexColumn]) -> bool {
    index
        .iter()
        .all(|part| part.is_unique && part.column.is_some() && !part.is_prefix && !part.is_nullable)
}

fn is_in_one_direction(index: &[&IndexColumn]) -> bool {
    let mut directions = index.iter().map(|part| part.is_descending);
    let first = directions.next();
    directions.all(|direction| Some(direction) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<ListedColumn> {
        let column = |name: &str| ListedColumn {
            name: name.into(),
            column_type: "int".into(),
            octets: None,
            charset: None,
            nullable: false,
            visible: true,
        };
        ["a", "b", "c"].map(column).into()
    }

    fn part(index: &str, column: &str) -> IndexColumn {
        IndexColumn {
            index: index.into(),
            is_unique: true,
            column: Some(column.into()),
            is_prefix: false,
            is_nullable: false,
            is_descending: false,
            is_usable: true,
        }
    }

    fn chosen(parts: &[IndexColumn]) -> (String, Vec<usize>, Vec<usize>) {
        let keys = choose(&columns(), parts).expect("known columns");
        (keys.index, keys.key, keys.logged)
    }

    #[test]
    fn the_primary_key_comes_first_in_its_own_order() {
        let parts = [part("PRIMARY", "c"), part("PRIMARY", "a"), part("u", "b")];
        assert_eq!(chosen(&parts), ("PRIMARY".into(), vec![2, 0], vec![2, 0]));
    }

    #[test]
    fn else_the_first_unique_key_that_every_row_has() {
        let broken: [fn(&mut IndexColumn); 5] = [
            |part| part.is_unique = false,
            |part| part.is_nullable = true,
            |part| part.is_prefix = true,
            |part| part.column = None,
            |part| part.is_usable = false,
        ];
        for (number, spoil) in broken.into_iter().enumerate() {
            let mut first = part("first", "a");
            spoil(&mut first);
            let logged = if number == 4 { vec![0] } else { vec![1] };
            let parts = [first, part("second", "b"), part("third", "c")];
            assert_eq!(chosen(&parts), ("second".into(), vec![1], logged));
        }
        assert_eq!(chosen(&[]), (String::new(), vec![], vec![]));
    }

    #[test]
    fn a_primary_key_of_prefixes_is_no_key_to_read_by_and_still_the_logs() {
        let mut prefix = part("PRIMARY", "a");
        prefix.is_prefix = true;
        assert_eq!(chosen(&[prefix.clone()]), (String::new(), vec![], vec![0]));
        let parts = [prefix, part("u", "b")];
        assert_eq!(chosen(&parts), ("u".into(), vec![1], vec![0]));
    }

    #[test]
    fn a_uuid_of_mariadb_is_no_key_to_read_by() {
        let mut columns = columns();
        if let Some(first) = columns.first_mut() {
            first.column_type = "uuid".into();
        }
        let parts = [part("PRIMARY", "a"), part("u", "b")];
        let keys = choose(&columns, &parts).expect("known columns");
        assert_eq!((keys.index.as_str(), keys.logged), ("u", vec![0]));
        let keys = choose(&columns, &[part("PRIMARY", "a")]).expect("known columns");
        assert!(keys.key.is_empty());
    }

    #[test]
    fn an_index_of_both_directions_is_the_last_choice() {
        let mut down = part("PRIMARY", "b");
        down.is_descending = true;
        let mixed = [part("PRIMARY", "a"), down.clone()];
        assert_eq!(chosen(&mixed).0, "PRIMARY");
        let with_other = [mixed[0].clone(), mixed[1].clone(), part("u", "c")];
        assert_eq!(chosen(&with_other), ("u".into(), vec![2], vec![0, 1]));
        assert_eq!(chosen(&[down]).0, "PRIMARY");
    }

    #[test]
    fn columns_that_are_not_listed_are_noticed() {
        assert_eq!(choose(&columns(), &[part("PRIMARY", "z")]), None);
    }
}
