//! Options of the native event: fields, constants, layout, and which lines there are beside rows.

use super::*;

#[test]
fn heartbeats_are_the_native_formats_alone() {
    let heartbeat = |sets: &[&str]| plan_of(sets).unwrap().heartbeat();
    assert_eq!(heartbeat(&[]), None);
    let every = ["native.heartbeat_secs=10"];
    assert_eq!(heartbeat(&every), Some(Duration::from_secs(10)));
    assert_eq!(heartbeat(&["format.type=maxwell", every[0]]), None);
    assert_eq!(
        refused_key(&["native.heartbeat_secs=3601"]),
        "native.heartbeat_secs"
    );
    assert_eq!(
        refused_key(&["native.constants=lane=1"]),
        "native.constants"
    );
}

#[test]
fn fields_and_constants_are_what_the_event_can_carry() {
    let error = plan_of(&["native.fields=id,sequence"]).unwrap_err();
    assert_eq!(error.key, "native.fields");
    assert!(error.message.contains("\"sequence\" is unknown"), "{error}");
    assert!(error.message.contains("\"position\""), "{error}");
    let error = plan_of(&["native.fields=type"]).unwrap_err();
    assert!(error.message.contains("always written"), "{error}");
    for wrong in [
        "env",
        "=prod",
        "seq=1",
        "data=1",
        "statement=x",
        "env=a,env=b",
        &format!("env={}", "x".repeat(1025)),
        &(0..33).map(|at| format!("c{at}=1,")).collect::<String>(),
    ] {
        let set = format!("native.constants={wrong}");
        assert_eq!(refused_key(&[&set]), "native.constants", "{wrong}");
    }
    let plan = plan_of(&[
        "native.constants=env=prod,url=a=b,empty=",
        "native.fields=seq,id",
    ]);
    let plan = plan.unwrap();
    assert_eq!(
        plan.native.constants,
        [("env", "prod"), ("url", "a=b"), ("empty", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert!(plan.warnings().is_empty());
    assert_eq!(plan_of(&["native.fields="]).unwrap().warnings().len(), 1);
    assert_eq!(refused_key(&["native.json=text"]), "native.json");
}

#[test]
fn a_prefix_is_one_that_every_warehouse_takes() {
    for wrong in [
        "",
        "Hw_",
        "1_",
        "hw-",
        "hw.",
        "h\u{e9}_",
        "a b",
        &"x".repeat(33),
    ] {
        let set = format!("native.prefix={wrong}");
        for layout in ["nested", "flat"] {
            let layout = format!("native.layout={layout}");
            assert_eq!(refused_key(&[&layout, &set]), "native.prefix", "{wrong}");
        }
    }
    let error = plan_of(&["native.prefix="]).unwrap_err();
    assert!(error.message.contains("is empty"), "{error}");
    for right in ["_", "hw_", "x", "_1", &"x".repeat(32)] {
        let plan = plan_of(&["native.layout=flat", &format!("native.prefix={right}")]);
        assert_eq!(plan.unwrap().native.prefix, right);
    }
    assert_eq!(refused_key(&["native.layout=wide"]), "native.layout");
}

#[test]
fn a_constant_of_a_flat_line_is_no_other_field_in_whatever_case() {
    let flat = "native.layout=flat";
    for wrong in ["deleted=1", "SEQ=1", "rows=1", "env=a,ENV=b"] {
        let set = format!("native.constants={wrong}");
        assert_eq!(refused_key(&[flat, &set]), "native.constants", "{wrong}");
    }
    // No field of the layout that is chosen.
    assert!(plan_of(&[flat, "native.constants=data=1"]).is_ok());
    assert!(plan_of(&["native.constants=deleted=1,ENV=a,env=b,SEQ=1,_seq=1"]).is_ok());
    // It would make a flat line of a nested one, for who reads both.
    assert_eq!(
        refused_key(&["native.constants=_type=1"]),
        "native.constants"
    );
    let other = ["native.constants=_type=1", "native.prefix=hw_"];
    assert!(plan_of(&other).is_ok());
    assert_eq!(
        refused_key(&[flat, "native.fields=deleted"]),
        "native.fields"
    );
}

#[test]
fn rows_only_means_no_heartbeats_either_and_says_what_is_lost() {
    let none = "native.statements=none";
    let error = plan_of(&[none, "native.heartbeat_secs=10"]).unwrap_err();
    assert_eq!(error.key, "native.statements");
    assert!(
        error.message.contains("native.heartbeat_secs = 10"),
        "{error}"
    );
    let warnings = plan_of(&[none]).unwrap().warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("TRUNCATE"), "{warnings:?}");
    let both = plan_of(&[none, "native.fields=key"]).unwrap().warnings();
    assert_eq!(both.len(), 2, "{both:?}");
    // Where no table has the native format, nothing is lost.
    let other = plan_of(&[none, "format.type=maxwell"]).unwrap();
    assert!(other.warnings().is_empty());
    assert_eq!(
        refused_key(&["native.statements=some"]),
        "native.statements"
    );
}
