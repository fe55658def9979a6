//! Each check tells what it found and the line that cures it.

use headwater_actors::checkpoint::OrderingKey;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Variables(pairs.collect())
}

fn table(database: &str, table: &str, has_primary_key: bool) -> SeenTable {
    SeenTable {
        name: TableName {
            database: database.into(),
            table: table.into(),
        },
        has_primary_key,
    }
}

fn filter(pattern: &str) -> TableFilter {
    TableFilter::new(&[pattern.to_owned()]).expect("a pattern")
}

#[test]
fn patterns_that_match_no_table_fail_unless_they_take_everything() {
    let tables = [table("shop", "orders", true)];
    let verdict =
        |tables: &[SeenTable], pattern| ensure_tables(tables, &filter(pattern), "h").verdict;
    assert_eq!(verdict(&tables, "shop.*"), Verdict::Ok);
    assert_eq!(verdict(&tables, "shop.order"), Verdict::Fail);
    assert_eq!(verdict(&[], "shop.*"), Verdict::Fail);
    assert_eq!(verdict(&[], "*.*"), Verdict::Warn);
    assert_eq!(verdict(&[], "!log.*"), Verdict::Warn);
}

#[test]
fn tables_that_are_added_behind_a_stored_position_are_named() {
    let tables = [
        table("shop", "orders", true),
        table("shop", "items", true),
        table("log", "lines", true),
    ];
    let added = |before, now| ensure_read_before(&tables, &filter(now), &filter(before), None);
    for (before, now) in [
        ("shop.*", "shop.*"),
        ("*.*", "shop.*"),
        ("shop.*", "shop.orders"),
    ] {
        assert_eq!(added(before, now), None, "{before} {now}");
    }
    let check = added("shop.orders", "*.*").expect("a warning");
    assert_eq!(check.verdict, Verdict::Warn);
    assert!(check.found.contains("2 tables were added"), "{check:?}");
    assert!(check.found.contains("shop.items, log.lines"), "{check:?}");
    let (now, before) = (filter("*.*"), filter("shop.orders"));
    let some = filter("shop.*");
    let check = ensure_read_before(&tables, &now, &before, Some(&some)).expect("a warning");
    assert!(check.found.contains("1 tables were added"), "{check:?}");
    let all = filter("*.*");
    assert_eq!(ensure_read_before(&tables, &now, &before, Some(&all)), None);
}

#[test]
fn every_setting_that_breaks_the_log_fails_with_the_line_that_cures_it() {
    let broken = variables(&[
        ("log_bin", "OFF"),
        ("binlog_format", "MIXED"),
        ("binlog_row_value_options", "PARTIAL_JSON"),
        ("binlog_row_image", "MINIMAL"),
    ]);
    for (check, remedy) in [
        (ensure_log_bin(&broken), "--log-bin"),
        (ensure_format(&broken), "SET PERSIST binlog_format = 'ROW'"),
        (
            ensure_row_value_options(&broken),
            "SET PERSIST binlog_row_value_options = ''",
        ),
    ] {
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert!(check.remedy.is_some_and(|found| found.contains(remedy)));
    }
}

#[test]
fn partial_json_is_fine_with_full_images() {
    let full = variables(&[
        ("binlog_row_value_options", "PARTIAL_JSON"),
        ("binlog_row_image", "FULL"),
    ]);
    assert_eq!(ensure_row_value_options(&full).verdict, Verdict::Ok);
    let newer = variables(&[
        ("binlog_row_value_options", "PARTIAL_TEXT"),
        ("binlog_row_image", "FULL"),
    ]);
    assert_eq!(ensure_row_value_options(&newer).verdict, Verdict::Fail);
}

#[test]
fn what_only_costs_something_warns() {
    let risky = variables(&[
        ("binlog_row_image", "MINIMAL"),
        ("binlog_checksum", "NONE"),
        ("gtid_mode", "OFF"),
        ("binlog_expire_logs_seconds", "3600"),
        ("max_allowed_packet", "1073741824"),
        ("log_slave_updates", "OFF"),
        ("sync_binlog", "0"),
        ("innodb_flush_log_at_trx_commit", "2"),
    ]);
    let [sync, flush] = ensure_durability(&risky);
    for check in [
        ensure_row_image(&risky),
        ensure_checksum(&risky),
        ensure_gtid_mode(&risky),
        ensure_retention(&risky, None),
        ensure_retention(&risky, Some(None)),
        ensure_event_bytes(&risky, 128 << 20),
        ensure_replica_updates(&risky),
        sync,
        flush,
    ] {
        assert_eq!(check.verdict, Verdict::Warn, "{check:?}");
        assert!(check.remedy.is_some(), "{check:?}");
    }
}

#[test]
fn servers_whose_logs_cannot_be_read_are_refused() {
    let verdict = |text, version| ensure_version(text, version).verdict;
    assert_eq!(verdict("9.7.0", (9, 7, 0)), Verdict::Ok);
    assert_eq!(verdict("5.5.9-log", (5, 5, 9)), Verdict::Ok);
    assert_eq!(verdict("5.1.73", (5, 1, 73)), Verdict::Fail);
    assert_eq!(verdict("10.11.6-MariaDB", (10, 11, 6)), Verdict::Ok);
    assert_eq!(verdict("5.5.68-MariaDB", (5, 5, 68)), Verdict::Fail);
}

#[test]
fn remedies_are_in_the_words_of_the_server() {
    let format = |version| {
        let variables = variables(&[("version", version), ("binlog_format", "MIXED")]);
        ensure_format(&variables).remedy.expect("a remedy")
    };
    assert!(format("8.4.0").starts_with("SET PERSIST binlog_format = 'ROW'"));
    for version in ["10.11.18-MariaDB-log", "5.7.44"] {
        let remedy = format(version);
        assert!(remedy.starts_with("SET GLOBAL"), "{remedy}");
        assert!(remedy.contains("option file"), "{remedy}");
    }
}

#[test]
fn what_only_mariadb_has_is_judged_by_its_own_rules() {
    let mariadb = variables(&[
        ("version", "10.11.18-MariaDB-log"),
        ("gtid_strict_mode", "OFF"),
    ]);
    assert_eq!(ensure_gtid_mode(&mariadb).verdict, Verdict::Ok);
    assert_eq!(ensure_strict_gtids(&mariadb).verdict, Verdict::Warn);
    let grants = ["GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `h`@`%`".to_owned()];
    assert_eq!(ensure_privileges(&grants, "h").verdict, Verdict::Ok);
    let old = [table("shop", "old", true).name];
    let judged = |pattern| ensure_no_old_fractions(&old, &filter(pattern));
    assert_eq!(judged("shop.*").verdict, Verdict::Fail);
    assert_eq!(judged("!shop.old").verdict, Verdict::Ok);
}

#[test]
fn privileges_count_when_global_and_by_whatever_name() {
    for grants in [
        &["GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `h`@`%`"][..],
        &[
            "GRANT REPLICATION SLAVE ON *.* TO `h`@`%`",
            "GRANT REPLICATION CLIENT ON *.* TO `r`@`%`",
        ],
        &["GRANT ALL PRIVILEGES ON *.* TO `h`@`%` WITH GRANT OPTION"],
    ] {
        let grants: Vec<_> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        assert_eq!(
            ensure_privileges(&grants, "h").verdict,
            Verdict::Ok,
            "{grants:?}"
        );
    }
    let local = ["GRANT ALL PRIVILEGES ON `shop`.* TO `h`@`%`".to_owned()];
    let check = ensure_privileges(&local, "h");
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(
        check
            .remedy
            .is_some_and(|remedy| remedy.contains("TO 'h'@'%'"))
    );
}

#[test]
fn a_replica_id_that_is_taken_is_told() {
    let own = variables(&[("server_id", "7")]);
    assert_eq!(ensure_server_id(&own, &[], 7).verdict, Verdict::Fail);
    assert_eq!(ensure_server_id(&own, &[8], 8).verdict, Verdict::Warn);
    assert_eq!(ensure_server_id(&own, &[8], 9).verdict, Verdict::Ok);
    assert_eq!(ensure_server_id(&own, &[7], 0).verdict, Verdict::Ok);
    let none = variables(&[("server_id", "0")]);
    assert_eq!(ensure_server_id(&none, &[], 0).verdict, Verdict::Fail);
}

#[test]
fn the_largest_event_that_is_advised_is_one_that_is_accepted() {
    let largest = variables(&[("max_allowed_packet", "1073741824")]);
    let remedy = ensure_event_bytes(&largest, 128 << 20).remedy;
    assert_eq!(
        remedy.as_deref(),
        Some("source.event_bytes_max = 1073741824")
    );
    assert_eq!(ensure_event_bytes(&largest, 1 << 30).verdict, Verdict::Ok);
}

#[test]
fn tables_without_a_primary_key_fail_only_where_rows_are_spread_by_it() {
    let tables = [table("shop", "orders", true), table("shop", "log", false)];
    let filter = TableFilter::default();
    assert_eq!(
        ensure_primary_keys(&tables, &filter, &OrderingKey::Table),
        None
    );
    let check = ensure_primary_keys(&tables, &filter, &OrderingKey::PrimaryKey { lanes: 4 })
        .expect("a check");
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.found.contains("shop.log") && !check.found.contains("shop.orders"));
}

#[test]
fn what_is_wrong_with_tables_refuses_only_the_first_start() {
    let filter = TableFilter::new(&["shop.*".to_owned()]).unwrap();
    let first = ensure_tables(&[], &filter, "headwater");
    assert_eq!(first.verdict, Verdict::Fail);
    assert_eq!(first.at_a_later_start().verdict, Verdict::Warn);
    let format = Check::fail(
        "binlog_format",
        "STATEMENT",
        "SET PERSIST binlog_format = 'ROW'",
    );
    assert_eq!(format.at_a_later_start().verdict, Verdict::Fail);
}

#[test]
fn tables_that_the_account_may_not_see_are_warned_of_where_they_are_to_be_copied() {
    let told = |grants: &[&str], copied: &str| {
        let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
        ensure_all_seen(&grants, &filter(copied), "h").is_some()
    };
    let replication = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `h`@`%`";
    let everywhere = "GRANT SELECT, REPLICATION SLAVE ON *.* TO `h`@`%`";
    let shop = "GRANT SELECT ON `my\\_shop`.* TO `h`@`%`";
    assert!(told(&[replication], "my_shop.*"));
    assert!(!told(&[everywhere], "*.*"));
    assert!(!told(&[replication, shop], "my_shop.*"));
    assert!(told(&[replication, shop], "other.*"));
    assert!(told(&[replication, shop], "*.*"));
    assert!(!told(
        &["GRANT ALL PRIVILEGES ON `my_shop`.* TO `h`@`%`"],
        "my_shop.a"
    ));
}
