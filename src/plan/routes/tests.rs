//! Which route a table has, and what does not go together is refused with its route.

use headwater_actors::packing::Packing;

use super::*;
use crate::settings::{Document, Layers};

fn table(database: &str, table: &str) -> TableName {
    TableName {
        database: database.into(),
        table: table.into(),
    }
}

fn plan_of(text: &str) -> Result<Plan, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let layers = Layers {
        documents: vec![Document::of_argument(file.path())],
        ..Layers::default()
    };
    Plan::from_settings(&layers.load().unwrap())
}

fn kinesis(routes: &str) -> Result<Plan, Error> {
    plan_of(&format!(
        "[sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"all\"\n{routes}"
    ))
}

fn stream_of(plan: &Plan, name: &TableName) -> String {
    match plan.route_of(name).sink(&plan.sink, name).unwrap() {
        SinkPlan::Kinesis(kinesis) => kinesis.stream,
        other => panic!("{other:?}"),
    }
}

const TWO: &str = "\
    [[routes]]\ntables = [\"shop.orders\"]\npacking.type = \"kpl\"\nordering.key = \"primary_key\"\n\
    [[routes]]\ntables = [\"shop.*\"]\nsink.kinesis.stream = \"cdc-{database}-{table}\"\n";

#[test]
fn the_first_route_that_matches_decides_and_the_top_level_has_the_rest() {
    let plan = kinesis(TWO).unwrap();
    let orders = plan.route_of(&table("shop", "orders"));
    assert_eq!(
        (orders.number, orders.packing.kind),
        (Some(0), Packing::Kpl)
    );
    assert_eq!(stream_of(&plan, &table("shop", "orders")), "all");
    assert_eq!(stream_of(&plan, &table("shop", "items")), "cdc-shop-items");
    assert_eq!(plan.route_of(&table("crm", "orders")).number, None);
    assert_eq!(stream_of(&plan, &table("crm", "orders")), "all");
    let lanes = OrderingKey::PrimaryKey { lanes: 4 };
    assert_eq!(plan.ordering.of(&table("shop", "orders")), &lanes);
    assert_eq!(
        plan.ordering.of(&table("shop", "items")),
        &OrderingKey::Table
    );
}

#[test]
fn a_statement_about_a_database_passes_a_target_by_that_wants_a_table() {
    let plan = kinesis(TWO).unwrap();
    assert_eq!(stream_of(&plan, &table("shop", "")), "all");
    let plan =
        kinesis("[[routes]]\ntables = [\"shop.*\"]\nsink.kinesis.stream = \"cdc-{database}\"\n");
    assert_eq!(stream_of(&plan.unwrap(), &table("shop", "")), "cdc-shop");
}

#[test]
fn routes_that_order_as_the_top_level_does_change_no_checkpoint() {
    let route = "[[routes]]\ntables = [\"a.*\"]\npacking.type = \"json_array\"\n";
    assert_eq!(kinesis(route).unwrap().ordering, OrderingKey::Table);
    let plan = kinesis(TWO).unwrap();
    assert_ne!(plan.ordering, OrderingKey::Table);
    assert_eq!(plan.ordering, kinesis(TWO).unwrap().ordering);
    let more = TWO.replace("shop.orders", "shop.order_*");
    assert_ne!(plan.ordering, kinesis(&more).unwrap().ordering);
}

#[test]
fn what_does_not_go_together_is_refused_with_its_route() {
    let refused = |body: &str| {
        let text =
            format!("[[routes]]\ntables = [\"b.*\"]\n[[routes]]\ntables = [\"a.*\"]\n{body}\n");
        kinesis(&text).unwrap_err().to_string()
    };
    for (body, start) in [
        (
            "packing.type = \"klp\"",
            "setting `routes[1].packing.type`: \"klp\" is unknown; did you mean \"kpl\"?",
        ),
        (
            "packing.record_bytes_max = 20000000",
            "setting `routes[1].packing.record_bytes_max`: ",
        ),
        (
            "sink.firehose.delivery_stream = \"x\"",
            "setting `routes[1].sink.firehose.delivery_stream`: has no effect with sink.type",
        ),
        (
            "sink.kinesis.stream = \"cdc-{schema}\"",
            "setting `routes[1].sink.kinesis.stream`: \"{schema}\" is unknown",
        ),
        (
            "packing.compression = \"gzip\"\npacking.type = \"kpl\"",
            "setting `routes[1].packing.compression`: ",
        ),
        (
            "packing.partition_key = \"table\"",
            "setting `routes[1].packing.partition_key`: \"table\" is of one row",
        ),
        (
            "packing.partition_columns = [\"x\"]",
            "setting `routes[1].packing.partition_columns`: has no effect",
        ),
        (
            "packing.type = \"none\"\npacking.partition_key = \"column\"",
            "setting `routes[1].packing.partition_columns`: is empty",
        ),
        (
            "packing.type = \"none\"\npacking.partition_key = \"transaction_id\"\nordering.key = \"primary_key\"",
            "setting `routes[1].packing.partition_key`: rows of one \"transaction_id\" are in several lanes",
        ),
        ("ordering.lanes = 0", "setting `routes[1].ordering.lanes`: "),
    ] {
        let error = refused(body);
        assert!(error.starts_with(start), "{body}: {error}");
    }
    let error = kinesis("[[routes]]\ntables = []\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("setting `routes[0].tables`: "),
        "{error}"
    );
}

#[test]
fn a_sink_takes_only_what_it_can_hold() {
    let file = "[sink]\ntype = \"file\"\n[sink.file]\npath = \"x\"\n[packing]\n";
    let kpl = plan_of(&format!("{file}type = \"kpl\"\n")).unwrap_err();
    assert_eq!(kpl.key, "packing.type");
    let gzip = plan_of(&format!("{file}compression = \"gzip\"\n")).unwrap_err();
    assert_eq!(gzip.key, "packing.compression");
    let firehose =
        "[sink]\ntype = \"firehose\"\n[sink.firehose]\ndelivery_stream = \"x\"\n[packing]\n";
    assert!(plan_of(&format!("{firehose}compression = \"zstd\"\n")).is_ok());
    assert!(plan_of(&format!("{firehose}type = \"json_array\"\n")).is_ok());
    assert!(plan_of(&format!("{firehose}type = \"kpl\"\n")).is_err());
}

#[test]
fn an_order_weaker_than_the_table_s_is_warned_of_by_route() {
    let body = "[[routes]]\ntables = [\"a.*\"]\npacking.type = \"none\"\npacking.partition_key = \"primary_key\"\n";
    let warnings = kinesis(body).unwrap().warnings();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("routes[0]: ") && warning.contains("of each row")),
        "{warnings:?}"
    );
    let kept = format!("{body}ordering.key = \"primary_key\"\n");
    assert!(kinesis(&kept).unwrap().warnings().is_empty());
}

#[test]
fn the_format_s_own_key_is_judged_by_what_it_is() {
    let route = |format: &str, ordering: &str| {
        kinesis(&format!(
            "[[routes]]\ntables = [\"a.*\"]\n{format}\npacking.type = \"none\"\npacking.partition_key = \"format\"\nordering.key = \"{ordering}\"\n"
        ))
    };
    let native = route("format.type = \"native\"", "table").unwrap_err();
    assert_eq!(native.key, "routes[0].packing.partition_key");
    for fitting in [
        "format.type = \"debezium\"",
        "format.type = \"maxwell\"",
        "format.type = \"maxwell\"\nformat.maxwell.partition_by = \"primary_key\"",
    ] {
        assert!(route(fitting, "primary_key").is_ok(), "{fitting}");
    }
    let by_transaction =
        "format.type = \"maxwell\"\nformat.maxwell.partition_by = \"transaction_id\"";
    assert!(route(by_transaction, "primary_key").is_err());
    let warnings = route(by_transaction, "table").unwrap().warnings();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("within each transaction"))
    );
}
