//! GTID sets: text, wire, and the laws of sets.

use std::collections::BTreeSet;

use mysql_common::{
    binlog::events::{GtidEvent as TheirGtid, PreviousGtidsEvent, PreviousGtidsSid},
    packets::{GnoInterval, Tag},
    proto::MySerialize,
};
use proptest::prelude::*;

use super::*;
use crate::fixture::{UUID, gtid_body};

const A: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";
const B: &str = "2b8f86dd-e709-11f1-a854-02fc00000001";

fn set(text: &str) -> GtidSet {
    text.parse().expect("a set")
}

fn source() -> GtidSource {
    GtidSource::untagged(Uuid(UUID))
}

#[test]
fn sets_print_as_mysql_does() {
    let text = format!(" {A}:1-5:7:9-9,\n{B}:Tag_B:3:2:tag_a:1-2 , ");
    assert_eq!(
        set(&text).to_string(),
        format!("{A}:1-5:7:9,{B}:tag_a:1-2:tag_b:2-3")
    );
    assert_eq!(
        set(&format!("{A}:1:tag:4")).to_string(),
        format!("{A}:1:tag:4")
    );
    assert_eq!(
        set(&format!("{}:1", A.replace('-', "").to_uppercase())).to_string(),
        format!("{A}:1")
    );
    assert!(set(" \n").is_empty());
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "1-5",
        A,
        &format!("{A}:"),
        &format!("{A}:0"),
        &format!("{A}:5-3"),
        &format!("{A}:1-"),
        &format!("{A}:tag"),
        &format!("{A}:1:tag"),
        &format!("{A}:9tag:1"),
        &format!("{A}:9223372036854775807"),
        &format!("{A}:+1"),
        "zz8f86dd-e709-11f1-a854-02fc00000001:1",
    ] {
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
}

#[test]
fn single_gtids_parse_and_print() {
    for text in [format!("{A}:5"), format!("{A}:tag:5")] {
        assert_eq!(text.parse::<Gtid>().expect("a GTID").to_string(), text);
    }
    for text in [
        A.to_owned(),
        format!("{A}:0"),
        format!("{A}:1-2"),
        format!("{A}::1"),
        format!("{A}:a:b:1"),
    ] {
        assert!(text.parse::<Gtid>().is_err(), "{text}");
    }
}

#[test]
fn consecutive_numbers_stay_one_interval() {
    let mut set = GtidSet::default();
    for number in 1..=1000 {
        set.add(&Gtid::MySql {
            source: source(),
            number,
        });
    }
    assert_eq!(
        set.intervals()
            .map(|(_, intervals)| intervals.to_vec())
            .collect::<Vec<_>>(),
        [vec![(1, 1000)]]
    );
}

#[test]
fn the_gtid_event_gives_the_original_commit_time() {
    let event = GtidEvent::parse(&gtid_body(42, 1_700_000_000_123_456)).expect("an event");
    assert_eq!(
        event.gtid.as_ref().map(Gtid::to_string),
        Some(format!("{A}:42"))
    );
    assert_eq!(event.commit_us(), Some(1_700_000_000_123_456));
    // A replica's log has its own time first, marked, then the original one.
    let mut body = Vec::new();
    TheirGtid::new(UUID, 42)
        .with_lc_typecode()
        .with_immediate_commit_timestamp(1_800_000_000_000_001)
        .with_original_commit_timestamp(1_700_000_000_000_002)
        .serialize(&mut body);
    let event = GtidEvent::parse(&body).expect("an event");
    assert_eq!(event.immediate_commit_us, Some(1_800_000_000_000_001));
    assert_eq!(event.original_commit_us, Some(1_700_000_000_000_002));
    assert_eq!(
        GtidEvent::parse_anonymous(&body).expect("an event").gtid,
        None
    );
    // 5.6: nothing behind the number.
    assert_eq!(
        GtidEvent::parse(&body[..25]).expect("an event").commit_us(),
        None
    );
}

#[test]
fn previous_gtids_refuse_an_unknown_format() {
    assert!(GtidSet::parse_previous_gtids(&[0, 0, 0, 0, 0, 0, 0, 2]).is_err());
    assert!(
        GtidSet::parse_previous_gtids(&[0; 8])
            .expect("a set")
            .is_empty()
    );
    assert!(GtidSet::parse_previous_gtids(&[1, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

/// Numbers of a few sources as a plain set of pairs: the oracle.
type Model = BTreeSet<(u8, u64)>;

fn model() -> impl Strategy<Value = Model> {
    prop::collection::btree_set((0u8..3, 1u64..40), 0..60)
}

fn modelled_source(index: u8) -> GtidSource {
    let tag = ["", "tag_a", "tag_b"][usize::from(index)];
    GtidSource::new(Uuid(UUID), tag).expect("a source")
}

fn of(model: &Model) -> GtidSet {
    let mut set = GtidSet::default();
    for (index, number) in model {
        set.add(&Gtid::MySql {
            source: modelled_source(*index),
            number: *number,
        });
    }
    set
}

proptest! {
    #[test]
    fn printed_sets_parse_to_themselves(model in model()) {
        let set = of(&model);
        prop_assert_eq!(set.to_string().parse::<GtidSet>(), Ok(set));
    }

    #[test]
    fn the_order_of_adding_does_not_matter(model in model(), seed: u64) {
        let mut numbers: Vec<_> = model.iter().copied().collect();
        let count = numbers.len().max(1) as u64;
        for at in 0..numbers.len() {
            let other = (seed.wrapping_mul(at as u64 + 7) % count) as usize;
            numbers.swap(at, other);
        }
        let mut set = GtidSet::default();
        for (index, number) in numbers {
            set.add(&Gtid::MySql { source: modelled_source(index), number });
        }
        prop_assert_eq!(set, of(&model));
    }

    #[test]
    fn ranges_add_as_their_numbers_do(model in model(), index in 0u8..3, first in 1u64..40, more in 0u64..20) {
        let mut set = of(&model);
        set.add_range(&modelled_source(index), first, first + more).expect("a range");
        let mut model = model;
        model.extend((first..=first + more).map(|number| (index, number)));
        prop_assert_eq!(set, of(&model));
    }

    #[test]
    fn union_subtract_contains_and_subset_are_those_of_sets(ours in model(), theirs in model(), probe in (0u8..3, 1u64..42)) {
        let mut union = of(&ours);
        union.union(&of(&theirs));
        prop_assert_eq!(&union, &of(&ours.union(&theirs).copied().collect()));
        prop_assert!(of(&ours).is_subset(&union) && of(&theirs).is_subset(&union));

        let mut difference = of(&ours);
        difference.subtract(&of(&theirs));
        prop_assert_eq!(&difference, &of(&ours.difference(&theirs).copied().collect()));
        prop_assert_eq!(of(&ours).is_subset(&of(&theirs)), ours.is_subset(&theirs));
        prop_assert_eq!(difference.is_empty(), ours.is_subset(&theirs));

        let gtid = Gtid::MySql { source: modelled_source(probe.0), number: probe.1 };
        prop_assert_eq!(of(&ours).contains(&gtid), ours.contains(&probe));
    }

    #[test]
    fn tagged_events_read_as_another_reader_writes_them(
        uuid: [u8; 16], tag in "[a-z_][a-z0-9_]{0,31}", number in 1u64..=NUMBER_MAX,
        immediate in 1u64..1 << 55, original in 1u64..1 << 55,
    ) {
        let mut body = Vec::new();
        TheirGtid::new_tagged(uuid, Tag::new(tag.clone()).expect("a tag"), number)
            .with_immediate_commit_timestamp(immediate)
            .with_original_commit_timestamp(original)
            .serialize(&mut body);
        let event = GtidEvent::parse_tagged(&body).expect("an event");
        let source = GtidSource::new(Uuid(uuid), &tag).expect("a source");
        prop_assert_eq!(event.gtid, Some(Gtid::MySql { source, number }));
        prop_assert_eq!(event.original_commit_us, Some(original));
        prop_assert_eq!(event.immediate_commit_us, Some(immediate));
    }

    #[test]
    fn previous_gtids_read_as_another_reader_writes_them(model in model()) {
        let set = of(&model);
        let entries = set.intervals().map(|(source, intervals)| {
            let tag = (!source.tag.is_empty()).then(|| Tag::new(source.tag.to_string()).expect("a tag"));
            let intervals = intervals.iter().map(|(first, last)| GnoInterval::new(*first, last + 1)).collect();
            PreviousGtidsSid::new(source.uuid.0, tag, intervals)
        });
        let mut body = Vec::new();
        PreviousGtidsEvent::new(entries.collect()).serialize(&mut body);
        prop_assert_eq!(GtidSet::parse_previous_gtids(&body), Ok(set));
    }

    #[test]
    fn no_bytes_and_no_text_panic(bytes: Vec<u8>, text: String) {
        drop(GtidEvent::parse(&bytes));
        drop(GtidEvent::parse_tagged(&bytes));
        drop(GtidEvent::parse_tagged(&[&[2][..], &bytes].concat()));
        drop(GtidSet::parse_previous_gtids(&bytes));
        drop(text.parse::<GtidSet>());
        drop(text.parse::<Gtid>());
        drop(format!("{A}:{text}").parse::<GtidSet>());
    }
}
