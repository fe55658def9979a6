//! The page of metrics read back: one sample a line, as `name{label="value"} number`.
//!
//! It is our own page, so a line that is no sample is a comment and is passed over. Not here: what a sample means.
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// One line of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    /// In the page's order.
    pub labels: Vec<(&'a str, String)>,
    pub value: f64,
}

impl Sample<'_> {
    pub fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let Some((name, mut rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ')?;
        return Some(Sample {
            name,
            labels: Vec::new(),
            value: value.parse().ok()?,
        });
    };
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(value) = rest.strip_prefix("} ") {
            let value = value.parse().ok()?;
            return Some(Sample {
                name,
                labels,
                value,
            });
        }
        let (label, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.push((label, value));
        rest = behind;
    }
}

/// Up to the closing quotation mark, and what stands behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_labels_and_numbers_are_read_back() {
        let page = "# HELP a b\n# TYPE a counter\na 3\n\nb{x=\"1\",table=\"s.\\\"o\\\\\\n}\"} 0.25\nc_bucket{le=\"+Inf\"} 7\n";
        let read: Vec<_> = samples(page).collect();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].name, read[0].value), ("a", 3.0));
        assert_eq!(read[1].label("table"), Some("s.\"o\\\n}"));
        assert_eq!((read[1].label("x"), read[1].value), (Some("1"), 0.25));
        assert_eq!(read[2].label("le"), Some("+Inf"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", tail in "[a-z{}=\"\\\\, 0-9]{0,40}") {
            samples(&text).chain(samples(&tail)).for_each(drop);
        }
    }
}
