//! What has been had, and what a log brings again.

use headwater_binlog::gtid::Gtid;

use super::*;

#[test]
fn what_ended_before_a_transaction_that_has_come_before_leaves_and_nothing_of_it_does() {
    let mut log = Log::new();
    for n in 0..3 {
        log.transaction(&[Op::Insert("a", vec![(n, n)])]);
    }
    let mut from = start();
    // The third one.
    from.gtid_set
        .add(&Gtid::new(GtidSource::untagged(Uuid(fixture::SOURCE)), 3));
    let opening = Opening {
        kind: StreamKind::ByPosition,
        ..Opening::default()
    };
    let intake = Intake::of(opening, from, Until::Never, &ReadRules::default());
    let mut driver = Driver::new(intake);
    let permit = driver.budget.try_take_weighed(1 << 20).unwrap();
    driver.intake.feed(concat(&log.events), permit);
    let Ok(Next::Send(batch)) = driver.intake.next_step() else {
        panic!("two transactions have ended");
    };
    let commits = batch.items.iter();
    let commits = commits.filter(|item| matches!(item, Item::Commit(_)));
    assert_eq!(commits.count(), 2);
    let failure = driver.intake.next_step().unwrap_err();
    assert!(failure.is_definite());
    assert!(failure.to_string().contains("has been read before"));
}

#[test]
fn what_a_stream_could_not_bring_leaves_with_its_first_boundary() {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("a", vec![(1, 1)])]);
    let had: GtidSet = "11111111-1111-1111-1111-111111111111:1-9".parse().unwrap();
    let opening = Opening {
        kind: StreamKind::ByPosition,
        had: had.clone(),
    };
    let mut from = start();
    let intake = Intake::of(
        opening.clone(),
        from.clone(),
        Until::Never,
        &ReadRules::default(),
    );
    let mut driver = Driver::new(intake);
    driver.feed(concat(&log.events[..1]));
    let first = &driver.batches[0];
    assert!(matches!(&first.items[..], [Item::Moved(place)] if place.had.as_deref() == Some(&had)));
    assert!(had.is_subset(&driver.intake.resume().gtid_set));
    // What is known already is not said again.
    from.gtid_set = had;
    let mut driver = Driver::new(Intake::of(
        opening,
        from,
        Until::Never,
        &ReadRules::default(),
    ));
    driver.feed(concat(&log.events[..1]));
    assert!(matches!(&driver.batches[0].items[..], [Item::Moved(place)] if place.had.is_none()));
}
