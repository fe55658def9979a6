//! What a process works on, as it stands behind its name in the claim: to tell another pipeline that has taken the
//! same name from a deploy that changes a setting.
//!
//! A deploy changes the source's address, the tables, or where they go, one at a time; two of them at once under a
//! holder that lives are another pipeline, which would stand by for ever, or go on from a position that is not its
//! own. Digests, for the claim is short and read by people; earlier builds have none. Pure.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work([u32; PARTS.len()]);

/// What is digested, as messages call it.
const PARTS: [&str; 3] = ["source", "tables", "sink"];
/// So many parts that differ make another pipeline.
const OTHER: usize = 2;

/// What another process works on, by comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// All alike, or nothing is known.
    None,
    /// The same pipeline, with other settings.
    Settings(&'static str),
    OtherPipeline(String),
}

impl Work {
    /// Texts that are equal when the settings mean the same.
    pub fn new(source: &str, tables: &str, sink: &str) -> Self {
        Self([source, tables, sink].map(|text| crc32fast::hash(text.as_bytes())))
    }

    /// The name of a holder.
    pub fn sign(self, process: &str) -> String {
        format!("{process} {self}")
    }

    /// The process and its work, of a holder's name.
    pub fn read(holder: &str) -> (&str, Option<Self>) {
        let Some((process, digests)) = holder.rsplit_once(' ') else {
            return (holder, None);
        };
        let mut parts = digests.split('-').map(|part| match part.len() {
            8 => u32::from_str_radix(part, 16).ok(),
            _ => None,
        });
        let digests = [(); PARTS.len()].map(|()| parts.next().flatten());
        match (digests, parts.next()) {
            ([Some(source), Some(tables), Some(sink)], None) => {
                (process, Some(Self([source, tables, sink])))
            }
            _ => (holder, None),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [source, tables, sink] = self.0;
        write!(formatter, "{source:08x}-{tables:08x}-{sink:08x}")
    }
}

impl Difference {
    /// Between two holders' names.
    pub fn between(ours: &str, theirs: &str) -> Self {
        let (Some(ours), Some(theirs)) = (Work::read(ours).1, Work::read(theirs).1) else {
            return Self::None;
        };
        let parts = PARTS.into_iter().zip(ours.0.into_iter().zip(theirs.0));
        let differing = parts.filter(|(_, (ours, theirs))| ours != theirs);
        let differing: Vec<&str> = differing.map(|(part, _)| part).collect();
        match differing.as_slice() {
            [] => Self::None,
            [part] if differing.len() < OTHER => Self::Settings(part),
            parts => Self::OtherPipeline(parts.join(" and ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(source: &str, tables: &str, sink: &str) -> String {
        Work::new(source, tables, sink).sign("host:7:0000000a")
    }

    #[test]
    fn one_changed_setting_is_a_deploy_and_two_are_another_pipeline() {
        let ours = holder("db:3306", "shop.*", "kinesis orders");
        let theirs =
            |source, tables, sink| Difference::between(&ours, &holder(source, tables, sink));
        assert_eq!(
            theirs("db:3306", "shop.*", "kinesis orders"),
            Difference::None
        );
        assert_eq!(
            theirs("db:3306", "shop.*,!shop.log", "kinesis orders"),
            Difference::Settings("tables")
        );
        assert_eq!(
            theirs("db-2:3306", "shop.*", "kinesis orders"),
            Difference::Settings("source")
        );
        assert_eq!(
            theirs("db:3306", "hr.*", "kinesis people"),
            Difference::OtherPipeline("tables and sink".to_owned())
        );
        assert_eq!(
            theirs("crm:3306", "crm.*", "kinesis orders"),
            Difference::OtherPipeline("source and tables".to_owned())
        );
    }

    #[test]
    fn a_name_without_digests_says_nothing() {
        let ours = holder("a", "b", "c");
        for theirs in [
            "",
            "host:7:0000000a",
            "my host:7:a",
            "host 1-2-3",
            "h 0000000a-0000000b",
        ] {
            assert_eq!(Work::read(theirs), (theirs, None));
            assert_eq!(Difference::between(&ours, theirs), Difference::None);
        }
        let (process, work) = Work::read(&ours);
        assert_eq!(process, "host:7:0000000a");
        assert_eq!(work, Some(Work::new("a", "b", "c")));
    }
}
