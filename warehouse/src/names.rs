//! Identifiers of a warehouse for names of MySQL: quoted, in lower case, short enough, and never two alike.
//!
//! Redshift folds identifiers to lower case, quoted ones too, and PostgreSQL cuts what is too long: so a name is folded
//! and cut here, where that can be seen. A name that would be like another one, or like one of ours, ends in a digest of
//! what it was, so which tables or columns stand beside it never decides what it is called when only it is too long;
//! two that fold to the same are both told apart, unless one of them is spelled so itself.
//! <https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>

use std::collections::BTreeMap;

use crc32fast::hash;

/// Hexadecimal digits behind a name that is not what it was.
const DIGEST_DIGITS: usize = 8;

/// `"` around it, and doubled in it.
pub fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text of SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in a comment, which a line feed would end.
pub fn in_comment(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// `` ` `` around it, and doubled in it: as the DDL of Athena quotes.
pub fn ticked(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// The identifiers of `names`, in their order. `taken` are ours already, in lower case.
pub fn identifiers(names: &[&str], taken: &[&str], bytes_max: usize) -> Vec<String> {
    let folded = names.iter().map(|name| name.to_lowercase());
    told_apart(names, &folded.collect::<Vec<_>>(), taken, bytes_max)
}

/// The same of letters, digits and `_` only: others become `_`.
pub fn plain_identifiers(names: &[&str], taken: &[&str], bytes_max: usize) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fold = |name: &&str| -> String {
        let each = name.chars().map(|c| if is_plain(c) { c } else { '_' });
        each.collect::<String>().to_lowercase()
    };
    let folded = names.iter().map(fold);
    told_apart(names, &folded.collect::<Vec<_>>(), taken, bytes_max)
}

fn told_apart(names: &[&str], folded: &[String], taken: &[&str], bytes_max: usize) -> Vec<String> {
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for name in folded {
        *alike.entry(name).or_default() += 1;
    }
    let is_alone = |name: &str, folded: &str| {
        !taken.contains(&folded) && (alike.get(folded) == Some(&1) || name == folded)
    };
    let each = names.iter().zip(folded);
    each.map(
        |(name, folded)| match folded.len() <= bytes_max && is_alone(name, folded) {
            true => folded.clone(),
            false => digested(name, folded, bytes_max),
        },
    )
    .collect()
}

fn digested(name: &str, folded: &str, bytes_max: usize) -> String {
    let mut end = folded.len().min(bytes_max - DIGEST_DIGITS - 1);
    while !folded.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{:08x}", &folded[..end], hash(name.as_bytes()))
}

#[cfg(test)]
mod tests;
