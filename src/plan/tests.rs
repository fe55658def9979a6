//! Values that do not fit together are refused with key and remedy; the examples fit.

use std::{path::Path, time::Duration};

use headwater_actors::on_error::OnError;

use super::*;
use crate::{
    encode::shape::InvalidText,
    mysql::TlsMode,
    settings::{Document, Layers},
};

mod logins;
mod native;

fn plan_of(sets: &[&str]) -> Result<Plan, Error> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let layers = Layers {
        sets: &sets,
        ..Layers::default()
    };
    Plan::from_settings(&layers.load().unwrap())
}

fn refused_key(sets: &[&str]) -> String {
    plan_of(sets).unwrap_err().key
}

const KINESIS: [&str; 2] = ["sink.type=kinesis", "sink.kinesis.stream=s"];

fn with_kinesis<'a>(sets: &[&'a str]) -> Vec<&'a str> {
    KINESIS.iter().chain(sets).copied().collect()
}

#[test]
fn the_defaults_are_a_plan() {
    let plan = plan_of(&[]).unwrap();
    assert_eq!(plan.source.hosts.len(), 1);
    assert!(plan.source.password.at_hand().unwrap().is_empty());
    assert!(plan.tables.is_everything());
    assert_eq!(plan.shutdown_grace, Duration::from_secs(25));
    assert_eq!(plan.ordering, OrderingKey::Table);
    assert!(plan.writer_threads >= 1);
    assert!(plan.warnings().is_empty());
}

#[test]
fn the_budget_is_split_without_a_rest() {
    let mib = 1 << 20;
    let plan = plan_of(&KINESIS).unwrap();
    assert_eq!(plan.memory.encoded_bytes + plan.memory.raw_bytes, 28 * mib);
    assert!(plan.memory.raw_bytes.abs_diff(16 * mib) < 64);
    let plan = plan_of(&[]).unwrap();
    assert_eq!(plan.memory.encoded_bytes + plan.memory.raw_bytes, 32 * mib);
}

#[test]
fn a_budget_too_small_for_its_parts_is_refused() {
    assert_eq!(
        refused_key(&["memory.budget_bytes=1000"]),
        "memory.budget_bytes"
    );
    let in_flight = ["sink.kinesis.in_flight_bytes_max=20000000"];
    let error = plan_of(&with_kinesis(&in_flight)).unwrap_err();
    assert_eq!(error.key, "memory.budget_bytes");
    assert!(error.message.contains("40000000"), "{error}");
    let error = plan_of(&["packing.record_bytes_max=8000000"]).unwrap_err();
    assert_eq!(error.key, "memory.budget_bytes");
    let (_, remedy) = error.message.split_once("; ").unwrap();
    let needed = remedy.split(['t', ',']).find_map(|part| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    let budget = format!("memory.budget_bytes={}", needed.unwrap());
    assert!(plan_of(&["packing.record_bytes_max=8000000", &budget]).is_ok());
}

#[test]
fn a_sink_needs_its_target() {
    assert_eq!(refused_key(&["sink.type=kinesis"]), "sink.kinesis.stream");
    assert_eq!(
        refused_key(&["sink.type=firehose"]),
        "sink.firehose.delivery_stream"
    );
    assert_eq!(refused_key(&["sink.type=file"]), "sink.file.path");
    let arn = ["sink.kinesis.stream=arn:aws:kinesis:eu-central-1:1:stream/s"];
    let error = plan_of(&with_kinesis(&arn)).unwrap_err();
    assert!(error.message.contains("not the ARN"), "{error}");
}

#[test]
fn a_record_fits_its_sink() {
    let firehose = ["sink.type=firehose", "sink.firehose.delivery_stream=d"];
    let fits = [&firehose[..], &["packing.record_bytes_max=1024000"]].concat();
    assert!(plan_of(&fits).is_ok());
    let large = [&firehose[..], &["packing.record_bytes_max=1024001"]].concat();
    assert_eq!(refused_key(&large), "packing.record_bytes_max");
    assert_eq!(
        refused_key(&with_kinesis(&["packing.record_bytes_max=10485760"])),
        "packing.record_bytes_max"
    );
    assert_eq!(
        refused_key(&with_kinesis(&["packing.record_bytes_max=5000000"])),
        "packing.record_bytes_max"
    );
    assert_eq!(
        refused_key(&["packing.record_bytes_max=0"]),
        "packing.record_bytes_max"
    );
}

#[test]
fn calls_stay_within_what_flies() {
    let keys = with_kinesis(&["sink.kinesis.call_bytes=5000000"]);
    assert_eq!(refused_key(&keys), "sink.kinesis.in_flight_bytes_max");
    let keys = with_kinesis(&["sink.kinesis.call_bytes=20000000"]);
    assert_eq!(refused_key(&keys), "sink.kinesis.call_bytes");
}

#[test]
fn a_parked_table_needs_no_file() {
    let plan = plan_of(&["errors.oversize=park_table"]).unwrap();
    assert_eq!(plan.errors.oversize, OnError::ParkTable);
}

#[test]
fn a_dead_letter_needs_a_file() {
    for key in ["errors.oversize", "errors.undecodable"] {
        let set = format!("{key}=dead_letter");
        assert_eq!(refused_key(&[&set]), "errors.dead_letter_path");
        let plan = plan_of(&[&set, "errors.dead_letter_path=d"]).unwrap();
        assert_eq!(plan.errors.dead_letter_path, Some("d".into()));
    }
}

#[test]
fn lanes_are_1_to_256() {
    for wrong in ["ordering.lanes=0", "ordering.lanes=257"] {
        assert_eq!(
            refused_key(&[wrong, "ordering.key=primary_key"]),
            "ordering.lanes"
        );
    }
    let plan = plan_of(&["ordering.key=primary_key", "ordering.lanes=256"]).unwrap();
    assert_eq!(plan.ordering, OrderingKey::PrimaryKey { lanes: 256 });
}

#[test]
fn one_row_per_round_trip_is_warned_of() {
    let warned = plan_of(&["packing.type=none"]).unwrap().warnings();
    assert!(warned.iter().any(|w| w.contains("one row per round trip")));
    let sets = ["packing.type=none", "ordering.key=primary_key"];
    assert!(plan_of(&sets).unwrap().warnings().is_empty());
}

#[test]
fn a_client_certificate_has_two_files_and_a_mode_with_tls() {
    let (cert, key) = ("source.tls.cert_file=c.pem", "source.tls.key_file=k.pem");
    let alone = plan_of(&[cert]).unwrap_err();
    assert_eq!(alone.key, "source.tls.cert_file");
    assert!(alone.message.contains("without source.tls.key_file"));
    assert_eq!(refused_key(&[key]), "source.tls.key_file");
    let disabled = "source.tls.mode=disabled";
    assert_eq!(refused_key(&[cert, key, disabled]), "source.tls.cert_file");
    assert!(plan_of(&[cert, key]).unwrap().source.tls.client.is_some());
}

#[test]
fn the_read_timeout_outlasts_the_heartbeat() {
    assert_eq!(
        refused_key(&["source.heartbeat_secs=30"]),
        "source.read_timeout_secs"
    );
}

#[test]
fn an_empty_address_switches_telemetry_off() {
    assert_eq!(
        plan_of(&["telemetry.listen="]).unwrap().telemetry.listen,
        None
    );
    assert_eq!(
        refused_key(&["telemetry.listen=localhost"]),
        "telemetry.listen"
    );
}

#[test]
fn a_wrong_choice_names_the_nearest() {
    let error = plan_of(&["sink.type=kinesi"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting `sink.type`: \"kinesi\" is unknown; did you mean \"kinesis\"? It is one of \
         \"kinesis\", \"firehose\", \"file\", \"stdout\", \"null\""
    );
    assert_eq!(refused_key(&["source.tls.mode=on"]), "source.tls.mode");
    assert_eq!(refused_key(&["checkpoint.type=s3"]), "checkpoint.type");
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for set in [
        "name=a b",
        "source.server_id=4294967296",
        "source.event_bytes_max=10",
        "source.connect_timeout_secs=0",
        "checkpoint.interval_ms=1",
        "checkpoint.late_after_secs=0",
        "checkpoint.file.path=",
        "shutdown.grace_secs=0",
        "workers.threads=1000",
        "source.tables=",
        "source.start=yesterday",
    ] {
        let (key, _) = set.split_once('=').unwrap();
        assert_eq!(refused_key(&[set]), key, "{set}");
    }
}

#[test]
fn a_wrong_column_pattern_names_its_key() {
    for (key, pattern) in [
        ("columns.include", "email"),
        ("mask.null", "users.email"),
        ("mask.fixed", "a..c"),
        ("mask.hash", "a.`b.c"),
        ("mask.truncate", "a.b."),
    ] {
        let error = plan_of(&[&format!("{key}={pattern}")]).unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.message.contains(&format!("\"{pattern}\"")), "{error}");
    }
    assert_eq!(refused_key(&["columns.include="]), "columns.include");
    assert_eq!(
        refused_key(&["mask.truncate_chars=1000001"]),
        "mask.truncate_chars"
    );
    let long = format!("mask.fixed_text={}", "x".repeat(1025));
    assert_eq!(refused_key(&[&long]), "mask.fixed_text");
}

#[test]
fn a_hash_needs_its_salt_from_one_place() {
    let error = plan_of(&["mask.hash=*.*.email"]).unwrap_err();
    assert_eq!(error.key, "mask.hash_salt_file");
    assert!(
        error.message.contains("HEADWATER__MASK__HASH_SALT"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("salt");
    std::fs::write(&path, "pepper and more\n").unwrap();
    let file = format!("mask.hash_salt_file={}", path.display());
    let plan = plan_of(&["mask.hash=*.*.email", &file]).unwrap();
    assert_eq!(plan.shape.hash_salt.reveal(), "pepper and more");
    assert!(!format!("{plan:?}").contains("pepper"));
    let sets = [file.clone()];
    let layers = Layers {
        environment: vec![("HEADWATER__MASK__HASH_SALT".into(), "other".into())],
        sets: &sets,
        ..Layers::default()
    };
    let error = Plan::from_settings(&layers.load().unwrap()).unwrap_err();
    assert_eq!(error.key, "mask.hash_salt_file");
    std::fs::write(&path, "").unwrap();
    let error = plan_of(&[&file]).unwrap_err();
    assert!(error.message.contains("write the salt"), "{error}");
}

#[test]
fn a_statements_text_is_asked_for_by_name_and_never_beside_masks() {
    assert!(!plan_of(&[]).unwrap().wants_queries());
    let wanted = "native.fields=id,seq,query";
    assert!(plan_of(&[wanted]).unwrap().wants_queries());
    let error = plan_of(&[wanted, "mask.null=*.*.email"]).unwrap_err();
    assert_eq!(error.key, "native.fields");
    for (format, key) in [
        ("maxwell", "format.maxwell.output_row_query"),
        ("debezium", "format.debezium.include_query"),
    ] {
        let (format, wanted) = (format!("format.type={format}"), format!("{key}=true"));
        assert!(!plan_of(&[&format]).unwrap().wants_queries());
        assert!(plan_of(&[&format, &wanted]).unwrap().wants_queries());
        let error = plan_of(&[&format, &wanted, "columns.include=!*.*.email"]).unwrap_err();
        assert_eq!(error.key, key);
    }
}

#[test]
fn the_options_of_a_format_are_checked_by_name() {
    for (wrong, key) in [
        (
            "format.maxwell.partition_by=random",
            "format.maxwell.partition_by",
        ),
        (
            "format.maxwell.partition_by_fallback=column",
            "format.maxwell.partition_by_fallback",
        ),
        (
            "format.maxwell.partition_by=column",
            "format.maxwell.partition_columns",
        ),
        (
            "format.debezium.decimal_handling=exact",
            "format.debezium.decimal_handling",
        ),
        (
            "format.debezium.skipped_operations=c,x",
            "format.debezium.skipped_operations",
        ),
    ] {
        assert_eq!(plan_of(&[wrong]).unwrap_err().key, key);
    }
    let plan = plan_of(&["format.type=debezium", "name=shop"]).unwrap();
    let Format::Debezium(options) = &plan.top.format else {
        panic!("{:?}", plan.top.format)
    };
    assert_eq!(options.name, "shop");
    assert!(options.skipped.truncate && !options.skipped.delete);
    let named = plan_of(&["format.type=debezium", "format.debezium.name=topic"]).unwrap();
    assert!(matches!(&named.top.format, Format::Debezium(it) if it.name == "topic"));
}

#[test]
fn invalid_text_is_one_of_three() {
    assert_eq!(
        refused_key(&["errors.invalid_text=skip"]),
        "errors.invalid_text"
    );
    let plan = plan_of(&["errors.invalid_text=base64_object"]).unwrap();
    assert_eq!(plan.errors.invalid_text, InvalidText::Base64Object);
}

#[test]
fn every_closed_choice_is_refused_with_all_that_could_be_chosen() {
    let reference: toml::Table = toml::from_str(crate::settings::DEFAULT_TOML).unwrap();
    let mut choices = 0;
    let mut sections = vec![(String::new(), reference)];
    while let Some((prefix, section)) = sections.pop() {
        for (name, value) in section {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => sections.push((format!("{key}."), inner)),
                toml::Value::String(_) | toml::Value::Array(_) => {
                    let Err(error) = plan_of(&[&format!("{key}=no such name")]) else {
                        continue;
                    };
                    assert!(!error.message.contains("variant"), "{error}");
                    if error.message.starts_with("\"no such name\" is unknown; ") {
                        assert_eq!(error.key, key);
                        choices += 1;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(choices > 20, "{choices}");
}

/// Settings files of `config/`, and the TOML blocks of the pages.
fn examples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(root.join("config")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        examples.push((path.display().to_string(), text));
    }
    for page in ["README.md", "docs/start.md", "docs/packing.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```toml\n").skip(1);
        for block in blocks.filter_map(|rest| rest.split_once("```")) {
            examples.push((page.to_owned(), block.0.to_owned()));
        }
    }
    examples
}

#[test]
fn every_example_is_a_plan() {
    let examples = examples();
    assert!(examples.len() > 5);
    for (name, text) in examples {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        // A mounted secret is not there.
        let sets = ["source.password_file=".to_owned()];
        let layers = Layers {
            documents: vec![Document::of_argument(file.path())],
            sets: &sets,
            ..Layers::default()
        };
        let loaded = layers
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Err(error) = Plan::from_settings(&loaded) {
            panic!("{name}: {error}");
        }
    }
}
