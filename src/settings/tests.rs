//! Which layer wins, and how what is unknown or of the wrong type is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::*;

fn loaded(file: &str, environment: &[(&str, &str)], sets: &[&str]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.toml");
    std::fs::write(&path, file).unwrap();
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let layers = Layers {
        documents: vec![Document::of_argument(&path)],
        environment,
        sets: &sets,
    };
    layers.load().map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "h.toml")
    })
}

fn value<'a, T: Deserialize<'a>>(loaded: &Loaded, key: &str) -> T {
    loaded.merged.get(key).unwrap()
}

/// Without origins.
fn values(loaded: &Loaded) -> BTreeMap<String, serde_json::Value> {
    let of_routes = loaded
        .routes
        .iter()
        .enumerate()
        .flat_map(|(number, route)| {
            let tables = (format!("{number}.tables"), &route.tables);
            let values = route.values.0.iter();
            let values = values.map(move |(key, value)| (format!("{number}.{key}"), value));
            std::iter::once(tables).chain(values)
        });
    let all = loaded.values.iter();
    let all = all.map(|(key, value)| (key.clone(), value));
    all.chain(of_routes)
        .map(|(key, value)| (key, value.clone().try_deserialize().unwrap()))
        .collect()
}

fn problem(file: &str) -> String {
    loaded(file, &[], &[]).unwrap_err()
}

#[test]
fn each_key_of_the_reference_has_its_comment() {
    let mut previous = "";
    let mut keys = 0;
    for line in DEFAULT_TOML.lines() {
        let is_key = line.starts_with(char::is_alphabetic);
        if is_key {
            keys += 1;
            assert!(previous.starts_with('#'), "no comment above: {line}");
        }
        previous = line;
    }
    let (schema, _) = Schema::of_defaults();
    assert_eq!(keys, schema.order.len());
    let unique: BTreeSet<&String> = schema.order.iter().collect();
    assert_eq!(unique.len(), keys);
}

#[test]
fn later_layers_win() {
    let file =
        "name = \"f\"\n[source]\nstart = \"earliest\"\nserver_id = 7\n[shutdown]\ngrace_secs = 1\n";
    let environment = [
        ("HEADWATER__NAME", "e"),
        ("HEADWATER__SHUTDOWN__GRACE_SECS", "2"),
        ("HEADWATER__SOURCE__TLS__MODE", "required"),
        ("HEADWATER_SERVICE_HOST", "not ours"),
    ];
    let loaded = loaded(file, &environment, &["shutdown.grace_secs=3"]).unwrap();
    for (key, wanted) in [
        ("name", "e"),
        ("source.start", "earliest"),
        ("source.server_id", "7"),
        ("source.tls.mode", "required"),
        ("shutdown.grace_secs", "3"),
        ("memory.budget_bytes", "33554432"),
    ] {
        assert_eq!(value::<String>(&loaded, key), wanted, "{key}");
    }
    assert_eq!(loaded.origin("name"), Some("environment HEADWATER__NAME"));
    assert_eq!(loaded.origin("shutdown.grace_secs"), Some("--set"));
    assert_eq!(loaded.origin("memory.budget_bytes"), None);
    assert!(
        loaded
            .origin("source.server_id")
            .unwrap()
            .ends_with("line 4")
    );
}

#[test]
fn a_list_replaces_the_list_before_it() {
    let file = "[source]\ntables = [\"a.*\", \"b.*\", \"c.*\"]\n";
    let environment = [("HEADWATER__SOURCE__TABLES", "d.*, !d.x")];
    let of_environment = loaded(file, &environment, &[]).unwrap();
    assert_eq!(
        value::<Vec<String>>(&of_environment, "source.tables"),
        ["d.*", "!d.x"]
    );
    let sets = ["source.tables=[\"a.`x,y`\"]"];
    let of_set = loaded(file, &environment, &sets).unwrap();
    assert_eq!(value::<Vec<String>>(&of_set, "source.tables"), ["a.`x,y`"]);
}

#[test]
fn an_unknown_key_names_the_nearest_and_its_place() {
    assert_eq!(
        problem("[source]\ntabels = []\n"),
        "unknown key `source.tabels` (\"h.toml\" line 2); did you mean `source.tables`?"
    );
    assert!(problem("[souce]\nurl = \"\"\n").contains("did you mean `source`?"));
    assert!(problem("grace_secs = 3\n").contains("did you mean `shutdown.grace_secs`?"));
    assert!(problem("\"source.url\" = \"x\"\n").contains("unknown key"));
    assert!(problem("[shutdown]\nxylophone = 1\n").contains("[shutdown] has grace_secs"));
    let error = loaded("", &[("HEADWATER__SINK__TIPE", "x")], &[]).unwrap_err();
    assert_eq!(
        error,
        "unknown key `sink.tipe` (environment HEADWATER__SINK__TIPE); did you mean `HEADWATER__SINK__TYPE`?"
    );
    let error = loaded("", &[], &["sink.tipe=x"]).unwrap_err();
    assert_eq!(
        error,
        "unknown key `sink.tipe` (--set); did you mean `sink.type`?"
    );
    let error = loaded("", &[("HEADWATER_SINK_TYPE", "x")], &[]).unwrap_err();
    assert_eq!(
        error,
        "unknown key `HEADWATER_SINK_TYPE` (environment HEADWATER_SINK_TYPE); did you mean `HEADWATER__SINK__TYPE`?"
    );
    let error = loaded("", &[("HEADWATER__SINK", "x")], &[]).unwrap_err();
    assert!(error.contains("it is a section"), "{error}");
}

#[test]
fn a_wrong_type_names_key_found_and_expected() {
    assert_eq!(
        problem("[shutdown]\ngrace_secs = \"25\"\n"),
        "key `shutdown.grace_secs` (\"h.toml\" line 2): found a string, expected a whole number, 0 to 9223372036854775807"
    );
    assert!(problem("name = 5\n").contains("found the number 5, expected a string"));
    assert!(problem("[source]\ntables = \"a.*\"\n").contains("expected a list of strings"));
    assert!(problem("[source]\ntables = [1]\n").contains("found a list with the number 1"));
    assert!(problem("source = 1\n").contains("expected a section of keys"));
    assert!(problem("[memory]\nbudget_bytes = -1\n").contains("found the number -1"));
    assert!(problem("[memory]\nbudget_bytes = 1.5\n").contains("found the number 1.5"));
    let error = loaded("", &[], &["memory.budget_bytes=lots"]).unwrap_err();
    assert_eq!(
        error,
        "key `memory.budget_bytes` (--set): found \"lots\", expected a whole number, 0 to 9223372036854775807"
    );
}

#[test]
fn a_number_out_of_range_or_with_a_unit_is_told_what_to_write() {
    let error = problem("[memory]\nbudget_bytes = 9223372036854775808\n");
    assert!(
        error.contains("found the number 9223372036854775808, expected a whole number, 0 to 922"),
        "{error}"
    );
    assert!(problem("[memory]\nbudget_bytes = \"64MiB\"\n").ends_with("; write 67108864"));
    let error = loaded("", &[], &["shutdown.grace_secs=10s"]).unwrap_err();
    assert!(error.ends_with("; write 10"), "{error}");
}

#[test]
fn all_problems_are_told_at_once() {
    let error = loaded("a = 1\nb = 2\n", &[("HEADWATER__C", "3")], &["d"]).unwrap_err();
    assert_eq!(error.lines().count(), 4, "{error}");
}

#[test]
fn routes_are_written_in_the_file_only() {
    let elsewhere = "taken from a settings file only";
    for set in ["routes=x", "routes.0.tables=x", "routes[0].tables=x"] {
        let error = loaded("", &[], &[set]).unwrap_err();
        assert!(error.contains(elsewhere), "{error}");
    }
    let environment = [("HEADWATER__ROUTES__0__TABLES", "x")];
    let error = loaded("", &environment, &[]).unwrap_err();
    assert!(error.contains(elsewhere), "{error}");
}

#[derive(serde::Deserialize)]
struct Sections {
    packing: Packing,
    ordering: Ordering,
}

#[derive(serde::Deserialize)]
struct Packing {
    #[serde(rename = "type")]
    kind: String,
    record_bytes_max: u64,
    partition_key: String,
}

#[derive(serde::Deserialize)]
struct Ordering {
    key: String,
}

#[test]
fn what_cannot_be_read_names_its_whole_key() {
    #[derive(Debug, serde::Deserialize)]
    struct Top {
        #[serde(rename = "source")]
        _source: Source,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Source {
        #[serde(rename = "tls")]
        _tls: Tls,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Tls {
        #[serde(rename = "mode", deserialize_with = "options::read_choice")]
        _mode: Mode,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Disabled,
        Required,
    }
    let sets = ["source.tls.mode=require"];
    let error = loaded("", &[], &sets).unwrap().read::<Top>().unwrap_err();
    assert_eq!(error.key, "source.tls.mode");
    assert!(
        error.message.contains("did you mean \"required\"?"),
        "{error}"
    );
    let sets = ["source.tls.mode=disabled"];
    assert!(loaded("", &[], &sets).unwrap().read::<Top>().is_ok());
}

#[test]
fn a_section_shares_keys_and_one_that_nobody_reads_is_refused() {
    #[derive(Debug, Deserialize)]
    struct Top<T> {
        source: Source<T>,
    }
    #[derive(Debug, Deserialize)]
    struct Source<T> {
        tls: T,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        mode: String,
        #[serde(flatten)]
        shared: Shared,
    }
    #[derive(Debug, Deserialize)]
    struct Shared {
        ca_file: String,
        #[serde(rename = "cert_file")]
        _cert_file: String,
        #[serde(rename = "key_file")]
        _key_file: String,
        #[serde(rename = "allow_public_key_retrieval")]
        _allow_public_key_retrieval: bool,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(rename = "mode")]
        _mode: String,
    }
    #[derive(Debug, Deserialize)]
    struct More {
        #[serde(rename = "crl_file")]
        _crl_file: String,
    }
    let loaded = loaded("", &[], &["source.tls.ca_file=x"]).unwrap();
    let Whole { mode, shared } = loaded.read::<Top<Whole>>().unwrap().source.tls;
    assert_eq!((mode.as_str(), shared.ca_file.as_str()), ("preferred", "x"));
    let error = loaded.read::<Top<Part>>().unwrap_err();
    assert!(error.key.starts_with("source.tls"), "{error}");
    assert!(error.message.contains("unknown field `"), "{error}");
    let error = loaded.read::<Top<More>>().unwrap_err();
    assert_eq!(error.key, "source.tls.crl_file");
    assert_eq!(error.message, "is missing");
}

const ROUTES: &str = "[packing]\nrecord_bytes_max = 1000\n\
    [[routes]]\ntables = [\"a.*\", \"!a.x\"]\npacking.type = \"kpl\"\nsink.kinesis.stream = \"a-{table}\"\n\
    [[routes]]\ntables = [\"b.*\"]\n[routes.ordering]\nkey = \"primary_key\"\n";

#[test]
fn a_route_has_its_own_keys_over_those_of_the_top_level() {
    let loaded = loaded(ROUTES, &[], &["packing.partition_key=table"]).unwrap();
    let [first, second] = &loaded.routes[..] else {
        panic!("{:?}", loaded.routes)
    };
    assert_eq!(first.tables(), ["a.*", "!a.x"]);
    assert!(first.text("packing.type").is_some() && first.text("sink.kinesis.stream").is_some());
    assert!(first.text("packing.record_bytes_max").is_none());
    let read = |route: &Route| {
        let Sections { packing, ordering } = loaded.read_route(route).unwrap();
        let Packing {
            kind,
            record_bytes_max,
            partition_key,
        } = packing;
        format!("{kind} {record_bytes_max} {partition_key} {}", ordering.key)
    };
    assert_eq!(read(first), "kpl 1000 table table");
    assert_eq!(read(second), "newline 1000 table primary_key");
    let top: Sections = loaded.read().unwrap();
    assert_eq!(
        (top.packing.kind.as_str(), top.ordering.key.as_str()),
        ("newline", "table")
    );
    let origin = loaded.origin("routes[0].packing.type").unwrap();
    assert!(origin.ends_with("line 5"), "{origin}");
    assert_eq!(loaded.origin("routes[1].packing.type"), None);
}

#[test]
fn a_wrong_key_in_a_route_names_route_place_and_nearest() {
    let route = |body: &str| problem(&format!("[[routes]]\ntables = [\"a.*\"]\n{body}\n"));
    assert_eq!(
        route("packing.tipe = \"kpl\""),
        "unknown key `routes[0].packing.tipe` (\"h.toml\" line 3); did you mean `routes[0].packing.type`?"
    );
    assert!(route("pakking.type = \"kpl\"").contains("did you mean `routes[0].packing`?"));
    let error = route("checkpoint.interval_ms = 5");
    assert!(
        error.contains("`routes[0].checkpoint` (\"h.toml\" line 3) is the same for all tables"),
        "{error}"
    );
    assert!(error.contains("tables, sink.kinesis.stream") && error.contains("[packing]"));
    assert!(route("sink.kinesis.region = \"x\"").contains("is the same for all tables"));
    assert!(route("xylophone = 1").contains("a route has tables, "));
    assert_eq!(
        route("packing.record_bytes_max = \"many\""),
        "key `routes[0].packing.record_bytes_max` (\"h.toml\" line 3): found a string, expected a whole number, 0 to 9223372036854775807"
    );
    assert!(route("packing = 1").contains("expected a section of keys"));
    assert!(
        problem("[[routes]]\ntabels = [\"a.*\"]\n").contains("did you mean `routes[0].tables`?")
    );
    assert!(problem("[[routes]]\npacking.type = \"kpl\"\n").contains("`routes[0].tables`"));
    assert!(problem("[[routes]]\ntables = \"a.*\"\n").contains("expected a list of strings"));
    assert!(problem("routes = 1\n").contains("expected [[routes]] sections"));
    assert!(problem("[routes]\ntables = []\n").contains("expected [[routes]] sections"));
}

#[test]
fn routes_that_are_printed_can_be_used_again() {
    let first = loaded(ROUTES, &[], &[]).unwrap();
    let printed = first.to_toml();
    assert!(
        printed.contains("[[routes]]\ntables = [\"a.*\", \"!a.x\"] # "),
        "{printed}"
    );
    assert!(printed.contains("\npacking.type = \"kpl\" # "), "{printed}");
    let second = loaded(&printed, &[], &[]).unwrap();
    assert_eq!(values(&first), values(&second));
}

#[test]
fn a_password_is_never_shown() {
    let environment = [("HEADWATER__SOURCE__PASSWORD", "hunter2")];
    let file = "[source]\nurl = \"mysql://u:swordfish@h\"\n";
    let loaded_settings = loaded(file, &environment, &[]).unwrap();
    let toml = loaded_settings.to_toml();
    let shown = format!("{loaded_settings:?}{toml}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("swordfish"),
        "{shown}"
    );
    assert!(toml.contains("\"mysql://u:***@h\""), "{toml}");
    assert!(toml.contains("# password: ***, environment HEADWATER__SOURCE__PASSWORD"));
    for broken in [
        "[source]\nurl = \"mysql://u:hunter2@h\n",
        "[source]\nurl = [\"mysql://u:hunter2@h\"]\n",
        "[source]\npassword = \"hunter2\"\n",
        "[source]\nurl = mysql://u:hunter2@h\n",
    ] {
        let error = problem(broken);
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("h.toml"), "{error}");
    }
    let error = loaded("", &[], &["source.password=hunter2"]).unwrap_err();
    assert!(
        error.contains("from the environment only") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn a_salt_is_a_secret_too() {
    let environment = [("HEADWATER__MASK__HASH_SALT", "pepper")];
    let loaded_settings = loaded("", &environment, &[]).unwrap();
    let toml = loaded_settings.to_toml();
    assert!(!format!("{loaded_settings:?}{toml}").contains("pepper"));
    assert!(
        toml.contains("# hash_salt: ***, environment HEADWATER__MASK__HASH_SALT"),
        "{toml}"
    );
    assert_eq!(
        problem("[mask]\nhash_salt = \"pepper\"\n"),
        "key `mask.hash_salt` (\"h.toml\" line 2) is taken from the environment only; set HEADWATER__MASK__HASH_SALT, or mask.hash_salt_file"
    );
    let error = loaded("", &[], &["mask.hash_salt=pepper"]).unwrap_err();
    assert!(error.contains("from the environment only"), "{error}");
}

#[test]
fn what_is_printed_can_be_used_again() {
    let sets = [
        "source.tables=a.*,!a.\"b",
        "source.start=x\\y\ttab",
        "sink.file.path=line\nend",
        "workers.threads=2",
    ];
    let first = loaded("", &[], &sets).unwrap();
    let printed = first.to_toml();
    let second = loaded(&printed, &[], &[]).unwrap();
    assert_eq!(values(&first), values(&second));
    assert!(printed.contains("threads = 2 # --set"), "{printed}");
}

#[test]
fn a_missing_file_is_named() {
    let layers = Layers {
        documents: vec![Document::of_argument(Path::new("nowhere.toml"))],
        ..Layers::default()
    };
    let error = layers.load().unwrap_err().to_string();
    assert!(
        error.starts_with("settings, \"nowhere.toml\": cannot be read"),
        "{error}"
    );
}
