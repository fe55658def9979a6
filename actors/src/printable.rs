//! Text from outside, as people may read it: names, statements, what servers answer.
//!
//! No character of it ends a line, moves a cursor, colours what follows, turns the direction of writing or is
//! invisible, and there is no more of it than fits. In text such a character becomes `\n` or `\u{202e}`; in JSON
//! it becomes an escape that means the same character, so programs read what the name is. Not here: rows, which
//! the encoders write as they are.

use std::borrow::Cow;

/// Whether a terminal, or a reader's eye, takes the character for anything else than itself.
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` on one line, cut behind `chars_max` characters.
pub fn printable(text: &str, chars_max: usize) -> Cow<'_, str> {
    match cut(text, chars_max) {
        Cow::Borrowed(text) if text.chars().all(is_printable) => Cow::Borrowed(text),
        text => Cow::Owned(escaped(&text)),
    }
}

/// `text` up to `chars_max` characters, and how many more there were.
pub fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.len() <= chars_max {
        return Cow::Borrowed(text);
    }
    let Some((end, _)) = text.char_indices().nth(chars_max) else {
        return Cow::Borrowed(text);
    };
    let (kept, rest) = text.split_at(end);
    Cow::Owned(format!(
        "{kept}… ({} characters more)",
        rest.chars().count()
    ))
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_printable(character) {
            true => shown.push(character),
            false => shown.extend(character.escape_default()),
        }
    }
    shown
}

/// A JSON text that means the same, without what serde leaves in strings: DEL, and all that is not ASCII.
pub fn printable_json(json: String) -> String {
    let is_left = |character: char| character != '\n' && !is_printable(character);
    if !json.chars().any(is_left) {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_left(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\r\nc\u{202e}d\u{7f}\u{9b}\u{2066}e\u{e0041}";

    #[test]
    fn what_acts_on_a_terminal_or_an_eye_is_escaped_and_the_rest_stays() {
        assert_eq!(
            printable(HOSTILE, 100),
            r"a\u{1b}[2Jb\r\nc\u{202e}d\u{7f}\u{9b}\u{2066}e\u{e0041}"
        );
        for plain in ["shop.orders", "größe \"ß\" C:\\x", "表.列", ""] {
            assert_eq!(printable(plain, 100), plain);
        }
    }

    #[test]
    fn what_is_longer_is_cut_and_says_by_how_much() {
        assert_eq!(printable("12345", 5), "12345");
        assert_eq!(printable("1234567", 5), "12345… (2 characters more)");
        assert_eq!(printable("ééééé", 5), "ééééé");
        assert_eq!(printable("éééééé\n", 5), "ééééé… (2 characters more)");
    }

    #[test]
    fn json_has_nothing_in_it_that_acts_and_means_the_same() {
        let json = "{\n \"t\": \"c\u{202e}d\u{7f}\u{9b}\u{e0041}\\u001b größe\"}".to_owned();
        assert_eq!(
            printable_json(json),
            "{\n \"t\": \"c\\u202ed\\u007f\\u009b\\udb40\\udc41\\u001b größe\"}"
        );
        let plain = "{\"größe\":1}".to_owned();
        assert_eq!(printable_json(plain.clone()), plain);
    }
}
