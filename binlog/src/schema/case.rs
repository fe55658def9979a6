//! How a server compares the names of databases and tables: by `lower_case_table_names`.
//!
//! With 0 it compares them as they are. With 1 and 2 it compares them without case, and table maps have them in
//! lower case whatever the table was created as; statements stay as the client wrote them. What is lower case is
//! for the server to say: it knows the letters of Unicode 3.0, one character for one (utf8mb3_general_ci).

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameCase {
    /// `lower_case_table_names = 0`.
    #[default]
    Sensitive,
    /// `lower_case_table_names = 1` or `2`.
    Folded,
}

impl NameCase {
    /// The name as table maps have it.
    pub fn fold(self, name: String) -> String {
        match self {
            Self::Folded if name.chars().any(|letter| folded(letter) != letter) => {
                name.chars().map(folded).collect()
            }
            _ => name,
        }
    }
}

fn folded(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (letter, lower.next(), lower.next()) {
        ('İ', _, _) => 'i',
        (_, Some(lower), None) if is_known(letter) => lower,
        _ => letter,
    }
}

/// Whether the server has a lower case for it, where Unicode has one.
fn is_known(letter: char) -> bool {
    let is_of_a_known_page = matches!(
        u32::from(letter) >> 8,
        0..=5 | 0x1e | 0x1f | 0x21 | 0x24 | 0xff
    );
    let is_newer = matches!(
        letter,
        '\u{220}'
            | '\u{23a}'..='\u{24e}'
            | '\u{370}'..='\u{37f}'
            | '\u{3cf}'
            | '\u{3d8}'
            | '\u{3f4}'..='\u{3ff}'
            | '\u{48a}'
            | '\u{4c0}'
            | '\u{4c5}'
            | '\u{4c9}'
            | '\u{4cd}'
            | '\u{4f6}'
            | '\u{4fa}'..='\u{52e}'
            | '\u{1e9e}'
            | '\u{1efa}'..='\u{1efe}'
            | '\u{2132}'
            | '\u{2183}'
    );
    is_of_a_known_page && !is_newer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_where_the_server_folds_them() {
        let fold = |name: &str| NameCase::Folded.fold(name.to_owned());
        assert_eq!(fold("Orders_2"), "orders_2");
        assert_eq!(fold("ÄÉÑ ΣΑΣ ЖЯ"), "äéñ σασ жя");
        assert_eq!(fold("İ"), "i");
        // Letters that came into Unicode later.
        assert_eq!(fold("Ⴀ Ⱥ ẞ"), "Ⴀ Ⱥ ẞ");
        assert_eq!(NameCase::Sensitive.fold("Orders".into()), "Orders");
    }
}
