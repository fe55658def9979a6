//! A checkpoint goes on only where nothing is missing; else both sides are told.

use headwater_actors::ports::source::LogFile;
use proptest::prelude::*;

use super::*;

const A: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";
const B: &str = "2b8f86dd-e709-11f1-a854-02fc00000002";

fn uuid(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn set(text: &str) -> GtidSet {
    text.parse().expect("a GTID set")
}

fn decided(home: Uuid, from: &Resume, facts: &ServerFacts) -> Result<Route, Failure> {
    decide_resume(home, from, facts).map_err(Failure::from)
}

fn position(text: &str) -> Position {
    text.parse().expect("a position")
}

fn from(place: &str, gtids: &str) -> Resume {
    Resume::at(position(place), set(gtids))
}

fn facts(files: &[(&str, u64)], executed: &str, purged: &str) -> ServerFacts {
    let files: Vec<_> = files
        .iter()
        .map(|(name, bytes)| LogFile {
            name: position(&format!("{name}:4")).file,
            bytes: *bytes,
        })
        .collect();
    let last = files.last().expect("a file").clone();
    ServerFacts {
        server_uuid: uuid(A),
        version: "9.7.0".into(),
        has_gtids: true,
        gtid_executed: set(executed),
        gtid_purged: set(purged),
        head: Position {
            file: last.name,
            offset: last.bytes,
        },
        head_gtid_set: set(executed),
        files,
    }
}

fn two_files() -> ServerFacts {
    facts(
        &[("binlog.000007", 900), ("binlog.000008", 500)],
        &format!("{A}:1-20"),
        &format!("{A}:1-10"),
    )
}

#[test]
fn the_same_server_goes_on_by_position_up_to_the_end_of_the_file() {
    for place in ["binlog.000007:4", "binlog.000007:900", "binlog.000008:500"] {
        let route = decided(uuid(A), &from(place, ""), &two_files());
        assert_eq!(route, Ok(Route::ByPosition(position(place))));
    }
}

#[test]
fn a_purged_file_halts_with_both_positions_and_never_jumps_ahead() {
    let failure =
        decided(uuid(A), &from("binlog.000006:4", ""), &two_files()).expect_err("it is gone");
    assert!(failure.is_definite());
    for part in ["binlog.000006:4", "binlog.000007:4", "binlog.000008:500"] {
        assert!(
            failure.to_string().contains(part),
            "{}",
            failure.to_string()
        );
    }
    assert!(failure.hint.is_some());
}

#[test]
fn a_purged_file_goes_on_by_gtid_where_nothing_that_was_purged_is_lacking() {
    for read in ["1-10", "1-15", "1-20"] {
        let ours = from("binlog.000006:4", &format!("{A}:{read}"));
        let route = decided(uuid(A), &ours, &two_files());
        assert_eq!(route, Ok(Route::ByGtid(ours.gtid_set)), "{read}");
    }
}

#[test]
fn a_purged_file_halts_where_gtids_are_lacking_or_are_of_another_history() {
    let ours = from("binlog.000006:4", &format!("{A}:1-9"));
    let failure = decided(uuid(A), &ours, &two_files()).expect_err("10 is lost");
    let told = failure.to_string();
    assert!(
        told.contains("binlog.000006:4") && told.contains("binlog.000007:4"),
        "{told}"
    );
    let ours = from("binlog.000006:4", &format!("{A}:1-21"));
    let failure = decided(uuid(A), &ours, &two_files()).expect_err("21 is ours alone");
    assert!(
        failure.to_string().contains(&format!("{A}:21")),
        "{failure}"
    );
    let mut without = two_files();
    without.has_gtids = false;
    let ours = from("binlog.000006:4", &format!("{A}:1-20"));
    assert!(decided(uuid(A), &ours, &without).is_err_and(|failure| failure.is_definite()));
}

#[test]
fn a_position_behind_the_end_of_its_file_halts() {
    let failure = decided(uuid(A), &from("binlog.000008:501", ""), &two_files())
        .expect_err("the log is shorter");
    assert!(failure.is_definite() && failure.to_string().contains("500"));
    let ours = from("binlog.000008:501", &format!("{A}:1-21"));
    let failure = decided(uuid(A), &ours, &two_files()).expect_err("21 is ours alone");
    assert!(
        failure.to_string().contains(&format!("{A}:21")),
        "{failure}"
    );
}

#[test]
fn a_file_that_the_log_has_not_come_to_is_of_another_history_whatever_the_gtids_say() {
    for gtids in ["", &format!("{A}:1-15")] {
        let ours = from("binlog.000009:4", gtids);
        let failure = decided(uuid(A), &ours, &two_files()).expect_err("it begins anew");
        assert!(failure.is_definite());
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains("was reset"), "{hint}");
    }
}

#[test]
fn transactions_that_are_logged_before_the_server_counts_them_do_not_halt() {
    let ours = from("binlog.000008:500", &format!("{A}:1-21"));
    let route = decided(uuid(A), &ours, &two_files());
    assert_eq!(route, Ok(Route::ByPosition(position("binlog.000008:500"))));
}

#[test]
fn another_server_goes_on_by_gtid_only() {
    let ours = from("other.000001:4", &format!("{A}:1-15"));
    let route = decided(uuid(B), &ours, &two_files());
    assert_eq!(route, Ok(Route::ByGtid(ours.gtid_set)));
    let without = from("other.000001:4", "");
    assert!(decided(uuid(B), &without, &two_files()).is_err_and(|failure| failure.is_definite()));
}

#[test]
fn another_server_without_gtids_halts() {
    let mut server = two_files();
    server.has_gtids = false;
    let ours = from("other.000001:4", &format!("{A}:1-15"));
    let failure = decided(uuid(B), &ours, &server).expect_err("no way to compare");
    assert!(failure.is_definite() && failure.to_string().contains("gtid_mode"));
}

#[test]
fn another_server_that_purged_what_we_lack_halts_with_the_difference() {
    let ours = from("other.000001:4", &format!("{A}:1-7"));
    let failure = decided(uuid(B), &ours, &two_files()).expect_err("8-10 are lost");
    assert!(
        failure.to_string().contains(&format!("{A}:8-10")),
        "{}",
        failure.to_string()
    );
}

#[test]
fn another_server_that_lacks_what_we_have_halts_with_the_difference() {
    let ours = from("other.000001:4", &format!("{A}:1-22"));
    let failure = decided(uuid(B), &ours, &two_files()).expect_err("21-22 are ours alone");
    assert!(
        failure.to_string().contains(&format!("{A}:21-22")),
        "{}",
        failure.to_string()
    );
    assert!(failure.hint.is_some_and(|hint| hint.contains("lags")));
}

#[test]
fn only_what_is_lacking_may_still_come() {
    let refusal = |ours: &str| {
        let ours = from("other.000001:4", ours);
        decide_resume(uuid(B), &ours, &two_files()).expect_err("no way on")
    };
    assert!(matches!(refusal(&format!("{A}:1-22")), Refusal::Lacks(_)));
    assert!(matches!(refusal(&format!("{A}:1-7")), Refusal::Never(_)));
    assert!(matches!(refusal(""), Refusal::Never(_)));
}

#[test]
fn a_server_of_another_group_is_told_as_such() {
    let mut server = two_files();
    server.gtid_purged = GtidSet::default();
    let ours = from("other.000001:4", &format!("{B}:1-7"));
    let failure = decided(uuid(B), &ours, &server).expect_err("nothing in common");
    assert!(
        failure
            .hint
            .is_some_and(|hint| hint.contains("another group"))
    );
}

#[test]
fn an_offset_beyond_four_gibibytes_goes_by_gtid_or_halts() {
    let far = "binlog.000007:5000000000";
    let mut server = facts(
        &[("binlog.000007", 5_000_000_100), ("binlog.000008", 500)],
        &format!("{A}:1-20"),
        "",
    );
    let ours = from(far, &format!("{A}:1-20"));
    assert!(matches!(
        decided(uuid(A), &ours, &server),
        Ok(Route::ByGtid(_))
    ));
    server.has_gtids = false;
    assert!(decided(uuid(A), &ours, &server).is_err_and(|failure| failure.is_definite()));
}

fn home() -> Home {
    Home {
        server_uuid: uuid(A),
        epoch: 3,
    }
}

#[test]
fn the_epoch_rises_with_another_server_base_or_a_lower_number() {
    let before = position("binlog.000007:100");
    for (server, place, epoch) in [
        (A, "binlog.000007:4", 3),
        (A, "binlog.000008:4", 3),
        (A, "binlog.000006:900", 4),
        (A, "mysql-bin.000008:4", 4),
        (B, "binlog.000007:100", 4),
    ] {
        assert_eq!(
            next_epoch(home(), &before, uuid(server), &position(place)),
            epoch,
            "{server} {place}"
        );
    }
}

#[test]
fn a_log_that_was_reset_is_another_log() {
    let is_log_of = |from: &Resume, facts: &ServerFacts| is_log_of(home(), from, facts);
    let before = from("binlog.000007:100", "");
    assert!(is_log_of(&before, &two_files()));
    assert!(!is_log_of(&from("binlog.000008:501", ""), &two_files()));
    assert!(!is_log_of(&from("mysql-bin.000007:100", ""), &two_files()));
    let reset = facts(&[("binlog.000001", 900)], "", "");
    assert!(!is_log_of(&before, &reset));
    // It has grown beyond the place, but with other transactions.
    let ahead = from("binlog.000007:100", &format!("{A}:1-21"));
    assert!(!is_log_of(&ahead, &two_files()));
}

proptest! {
    /// By GTID means: nothing that we lack is purged, nothing that we have is unknown.
    #[test]
    fn a_route_by_gtid_never_leaves_a_gap(ours in 1u64..40, purged in 1u64..40, executed in 1u64..40) {
        let purged = purged.min(executed);
        let server = facts(&[("binlog.000001", 9)], &format!("{A}:1-{executed}"), &format!("{A}:1-{purged}"));
        let route = decided(uuid(B), &from("x.000001:4", &format!("{A}:1-{ours}")), &server);
        prop_assert_eq!(route.is_ok(), purged <= ours && ours <= executed);
    }
}

#[test]
fn what_is_not_executed_yet_is_looked_for_in_the_log() {
    let ours = from("binlog.000008:400", &format!("{A}:1-22"));
    assert_eq!(
        decided(uuid(A), &ours, &two_files()),
        Ok(Route::ByPosition(ours.mark.position.clone()))
    );
    assert_eq!(unexecuted(&ours, &two_files()), set(&format!("{A}:21-22")));
    let mut without = two_files();
    without.has_gtids = false;
    assert!(unexecuted(&ours, &without).is_empty());
    // A domain of MariaDB can be deleted, its numbers cannot fall.
    let ours = from("binlog.000008:400", "0-1-9,3-1-7");
    let maria = facts(&[("binlog.000008", 500)], "0-1-8", "");
    assert_eq!(unexecuted(&ours, &maria), set("0-1-9"));
}

#[test]
fn what_a_given_start_lacks_is_said_of_the_start() {
    for (start, words) in [
        ("1-9", "has purged: 1b8f86dd-e709-11f1-a854-02fc00000001:10"),
        (
            "1-21",
            "does not have: 1b8f86dd-e709-11f1-a854-02fc00000001:21",
        ),
    ] {
        let start = set(&format!("{A}:{start}"));
        let refused = |of| Failure::from(ensure_gtids(&start, &two_files(), of).expect_err("no"));
        let failure = refused(SetOf::Start("source.start"));
        let told = failure.to_string();
        assert!(
            told.starts_with("source.start ") && told.contains(words),
            "{told}"
        );
        assert!(!told.contains("read"), "{told}");
        let told = refused(SetOf::Read).to_string();
        assert!(
            told.contains("read") && !told.contains("source.start"),
            "{told}"
        );
    }
}
