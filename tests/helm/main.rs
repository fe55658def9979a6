//! The chart: what `helm` renders from it keeps the promises that the cluster must help to keep.
//!
//! Needs `helm` (`HEADWATER_HELM`, or what `scripts/install helm` puts into the cache) and promtool; without them
//! these tests fail. Not here: a cluster.

#![allow(clippy::unwrap_used)] // a test ends there

mod chart;

use std::{io::Write, path::Path, process::Command};

use chart::{env, helm, of_kind, refusal, render, text, value, variable, with_settings};

use headwater_harness::promtool;

const POD: &str = "spec.template.spec";
const READINESS: &str = "spec.template.spec.containers.[].readinessProbe.httpGet";

#[test]
fn the_chart_has_no_lint() {
    let output = with_settings(&["lint", "--strict"], &[]);
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn kubernetes_waits_longer_than_a_drain_may_take() {
    let grace_with = |arguments: &[&str]| -> u64 {
        let set = of_kind(&render(arguments), "StatefulSet");
        value(&set, &format!("{POD}.terminationGracePeriodSeconds"))
            .parse()
            .unwrap()
    };
    assert_eq!(grace_with(&[]), 40);
    assert_eq!(
        grace_with(&["--set", "settings=[shutdown]\ngrace_secs = 120"]),
        135
    );
    assert_eq!(
        grace_with(&["--set", "settings=shutdown.grace_secs = 1_000 # long"]),
        1015
    );
    // A comment is no setting; without one the program's default of 25 counts.
    assert_eq!(grace_with(&["--set", "settings=# grace_secs = 900"]), 40);
    let variable = env(&[("HEADWATER__SHUTDOWN__GRACE_SECS", "120")]);
    assert_eq!(grace_with(&variable.arguments()), 135);
    assert_eq!(
        grace_with(&["--set", "terminationGracePeriodSeconds=26"]),
        26
    );
    let refused = refusal(&["--set", "terminationGracePeriodSeconds=25"]);
    assert!(refused.contains("shutdown.grace_secs is 25"), "{refused}");
}

#[test]
fn the_checkpoint_outlives_the_pod() {
    let documents = render(&[]);
    assert!(
        documents
            .iter()
            .all(|document| !document.contains("emptyDir"))
    );
    let set = of_kind(&documents, "StatefulSet");
    assert_eq!(
        value(&set, "spec.volumeClaimTemplates.[].metadata.name"),
        "state"
    );
    assert_eq!(
        value(
            &set,
            "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"
        ),
        "Retain"
    );
    let mounts = format!("{POD}.containers.[].volumeMounts.[]");
    assert_eq!(value(&set, &format!("{mounts}.name")), "state");
    let folder = value(&set, &format!("{mounts}.mountPath"));
    let checkpoint = variable(&set, "HEADWATER__CHECKPOINT__FILE__PATH");
    assert!(
        Path::new(checkpoint).starts_with(folder),
        "{checkpoint} is not in {folder}"
    );
    assert_eq!(
        value(&set, &format!("{POD}.containers.[].workingDir")),
        folder
    );
}

#[test]
fn one_pod_reads_and_an_upgrade_can_replace_a_broken_one() {
    let set = of_kind(&render(&[]), "StatefulSet");
    assert_eq!(value(&set, "spec.replicas"), "1");
    assert_eq!(value(&set, "spec.podManagementPolicy"), "Parallel");
    assert_eq!(value(&set, "spec.updateStrategy.type"), "RollingUpdate");
    assert_eq!(value(&set, &format!("{READINESS}.path")), "/readyz");
}

#[test]
fn more_pods_stand_by_and_need_a_store_that_all_reach() {
    let two = |arguments: &[&str]| {
        let set = of_kind(
            &render(&[&["--set", "replicas=2"], arguments].concat()),
            "StatefulSet",
        );
        assert_eq!(value(&set, "spec.replicas"), "2");
        set
    };
    let settings = "settings=[checkpoint]\ntype = \"dynamodb\"";
    let set = two(&["--set", settings]);
    // Neither alive alone, which a version is that could never take over, nor streaming, which one of them does.
    assert_eq!(value(&set, &format!("{READINESS}.path")), "/standbyz");
    two(&["--set", "settings=checkpoint = { type = 'mysql' }"]);
    two(&env(&[("HEADWATER__CHECKPOINT__TYPE", "mysql")]).arguments());
    let file = env(&[("HEADWATER__CHECKPOINT__TYPE", "file")]);
    for arguments in [
        vec![],
        vec!["--set", "settings=[checkpoint] # type = \"mysql\""],
        vec!["--set", "settings=[other]\ntype = \"mysql\""],
        [&["--set", settings], &file.arguments()[..]].concat(),
    ] {
        let refused = refusal(&[&["--set", "replicas=2"], &arguments[..]].concat());
        assert!(
            refused.contains("replicas") && refused.contains("checkpoint.type"),
            "{refused}"
        );
    }
    let hidden =
        "extraEnv[0].name=HEADWATER__CHECKPOINT__TYPE,extraEnv[0].valueFrom.configMapKeyRef.key=x";
    let refused = refusal(&["--set", "replicas=2", "--set", hidden]);
    assert!(refused.contains("give it as a value"), "{refused}");
}

#[test]
fn a_volume_is_claimed_only_where_files_are_kept() {
    let claims = |settings: &str| {
        let documents = render(&["--set", settings]);
        documents
            .iter()
            .any(|document| document.contains("volumeClaimTemplates"))
    };
    assert!(claims("settings=# all by default"));
    let remote = "settings=checkpoint.type = \"dynamodb\"";
    assert!(!claims(remote));
    assert!(claims(&format!("{remote}\nsink.type = \"file\"")));
    assert!(claims(&format!(
        "{remote}\nerrors.dead_letter_path = \"letters\""
    )));
}

#[test]
fn settings_must_be_given_and_be_toml() {
    let none = helm(&["template", "shop"]);
    assert!(!none.status.success());
    let refused = text(&none.stderr);
    assert!(refused.contains("`settings` is empty"), "{refused}");
    let refused = refusal(&["--set", "settings=name = \"shop\"\nurl = hunter2"]);
    assert!(
        refused.contains("`settings` is not TOML (line 2)"),
        "{refused}"
    );
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_password_never_reaches_the_config_map() {
    for settings in [
        "[source]\nurl = \"mysql://me:hunter2@db\"",
        "[source]\nurl = \"mysql://me:hunter2@more@db:3306\"",
        "source.password = \"hunter2\"",
        "[checkpoint.mysql]\nurl = \"mysql://me:hunter2@db\"",
        "[checkpoint.mysql]\npassword = \"hunter2\"",
        "[mask]\nhash_salt = \"hunter2\"",
    ] {
        let refused = refusal(&["--set", &format!("settings={settings}")]);
        assert!(refused.contains("existingSecret"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    render(&["--set", "settings=source.url = \"mysql://me@db:3306/\""]);
}

#[test]
fn labels_of_pods_never_change_which_pods_are_selected() {
    let set = of_kind(&render(&["--set", "podLabels.team=a"]), "StatefulSet");
    assert_eq!(value(&set, "spec.template.metadata.labels.team"), "a");
    for own in ["instance", "name"] {
        let label = format!("app.kubernetes.io/{own}");
        let set = format!("podLabels.{}=other", label.replace('.', "\\."));
        let refused = refusal(&["--set", &set]);
        assert!(refused.contains(&label), "{refused}");
    }
}

#[test]
fn why_a_pod_ended_is_told_by_its_last_lines() {
    let set = of_kind(&render(&[]), "StatefulSet");
    let policy = format!("{POD}.containers.[].terminationMessagePolicy");
    assert_eq!(value(&set, &policy), "FallbackToLogsOnError");
}

#[test]
fn the_container_has_no_rights_it_does_not_need() {
    let set = of_kind(&render(&[]), "StatefulSet");
    for (path, wanted) in [
        ("securityContext.runAsNonRoot", "true"),
        ("securityContext.runAsUser", "65532"),
        ("securityContext.fsGroup", "65532"),
        ("securityContext.seccompProfile.type", "RuntimeDefault"),
        ("automountServiceAccountToken", "false"),
        (
            "containers.[].securityContext.readOnlyRootFilesystem",
            "true",
        ),
        (
            "containers.[].securityContext.allowPrivilegeEscalation",
            "false",
        ),
        (
            "containers.[].securityContext.capabilities.drop",
            "[\"ALL\"]",
        ),
        ("containers.[].resources.requests.memory", "64Mi"),
    ] {
        assert_eq!(value(&set, &format!("{POD}.{path}")), wanted, "{path}");
    }
}

#[test]
fn probes_and_metrics_use_the_port_that_the_program_listens_on() {
    let documents = render(&["--set", "metrics.port=9999"]);
    let set = of_kind(&documents, "StatefulSet");
    assert_eq!(
        variable(&set, "HEADWATER__TELEMETRY__LISTEN"),
        "0.0.0.0:9999"
    );
    assert_eq!(
        value(&set, &format!("{POD}.containers.[].ports.[].containerPort")),
        "9999"
    );
    for (probe, path) in [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ] {
        let probe = format!("{POD}.containers.[].{probe}");
        assert_eq!(value(&set, &format!("{probe}.httpGet.path")), path);
        assert_eq!(value(&set, &format!("{probe}.httpGet.port")), "metrics");
        // The program answers within two seconds, whatever happens.
        let timeout: u64 = value(&set, &format!("{probe}.timeoutSeconds"))
            .parse()
            .unwrap();
        assert!(timeout > 2, "{probe}");
    }
    let annotations = "spec.template.metadata.annotations";
    assert_eq!(
        value(&set, &format!("{annotations}.prometheus.io/port")),
        "9999"
    );
    assert_eq!(
        value(&of_kind(&documents, "Service"), "spec.ports.[].port"),
        "9999"
    );
}

#[test]
fn a_pod_is_scraped_by_annotation_or_by_pod_monitor_never_by_both() {
    let monitored = render(&["--set", "metrics.podMonitor.enabled=true"]);
    let monitor = of_kind(&monitored, "PodMonitor");
    assert_eq!(
        value(&monitor, "spec.podMetricsEndpoints.[].path"),
        "/metrics"
    );
    assert!(
        monitored
            .iter()
            .all(|document| !document.contains("prometheus.io/scrape"))
    );
    assert!(
        render(&[])
            .iter()
            .all(|document| !document.contains("kind: PodMonitor"))
    );
}

#[test]
fn alerts_are_about_all_pods_so_that_one_on_standby_raises_none() {
    let documents = render(&[
        "--set",
        "metrics.prometheusRule.enabled=true,metrics.prometheusRule.lagSeconds=90",
        "--namespace",
        "cdc",
    ]);
    let rules = documents
        .iter()
        .find(|document| document.contains("kind: PrometheusRule"))
        .unwrap();
    let pods = "namespace=\"cdc\",pod=~\"shop-headwater-[0-9]+\"";
    for expression in [
        format!("expr: max(headwater_up{{{pods}}}) == 0 or absent(headwater_up{{{pods}}})"),
        format!("expr: max by (pipeline) (headwater_source_lag_seconds{{{pods}}}) > 90"),
    ] {
        assert!(rules.contains(&expression), "{expression}:\n{rules}");
    }
    // They name metrics that there are.
    let words = rules.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    for name in words.filter(|word| word.starts_with("headwater_")) {
        assert!(headwater_actors::metrics::find(name).is_some(), "{name}");
    }
    assert!(
        render(&[])
            .iter()
            .all(|document| !document.contains("kind: PrometheusRule"))
    );
}

#[test]
fn prometheus_linter_finds_nothing_in_the_alerts() {
    let documents = render(&["--set", "metrics.prometheusRule.enabled=true"]);
    let rule = documents
        .iter()
        .find(|document| document.contains("kind: PrometheusRule"))
        .unwrap();
    // A rules file is what stands under `spec`.
    let (_, spec) = rule.split_once("\nspec:\n").unwrap();
    promtool::check_rules(spec).unwrap();
}

#[test]
fn the_password_comes_from_an_existing_secret() {
    let set = of_kind(
        &render(&["--set", "existingSecret.name=orders-db"]),
        "StatefulSet",
    );
    let reference = format!("{POD}.containers.[].env.[].valueFrom.secretKeyRef");
    assert_eq!(value(&set, &format!("{reference}.name")), "orders-db");
    assert_eq!(value(&set, &format!("{reference}.key")), "password");
    assert!(
        set.iter()
            .any(|(_, value)| value == "HEADWATER__SOURCE__PASSWORD")
    );
    let without = render(&[]);
    assert!(
        without
            .iter()
            .all(|document| !document.contains("HEADWATER__SOURCE__PASSWORD"))
    );
}

#[test]
fn a_change_of_the_settings_restarts_the_pod() {
    let checksum = |arguments: &[&str]| {
        let set = of_kind(&render(arguments), "StatefulSet");
        value(&set, "spec.template.metadata.annotations.checksum/config").to_owned()
    };
    assert_eq!(checksum(&[]), checksum(&[]));
    assert_ne!(
        checksum(&[]),
        checksum(&["--set", "settings=name = \"other\""])
    );
}

#[test]
fn settings_arrive_verbatim() {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    let settings =
        "  # indented: first line\nname = \"a: b # c {{ d }}\"\n\n\n[source]\nurl = 'x'\n";
    writeln!(
        written,
        "settings: {}",
        serde_json::to_string(settings).unwrap()
    )
    .unwrap();
    let path = written.path().to_str().unwrap();
    let map = of_kind(&render(&["--values", path]), "ConfigMap");
    // An indented first line makes the block carry its indentation: `|2-` and alike are read as `|`.
    assert_eq!(
        value(&map, "data.headwater.toml").trim_end(),
        settings.trim_end()
    );
}

#[test]
fn the_program_accepts_the_settings_of_the_chart() {
    let map = of_kind(&render(&[]), "ConfigMap");
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(value(&map, "data.headwater.toml").as_bytes())
        .unwrap();
    let set = of_kind(&render(&[]), "StatefulSet");
    let mut program = Command::new(env!("CARGO_BIN_EXE_headwater"));
    for name in [
        "HEADWATER__TELEMETRY__LISTEN",
        "HEADWATER__CHECKPOINT__FILE__PATH",
    ] {
        program.env(name, variable(&set, name));
    }
    let output = program
        .args(["config", "-c"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("0.0.0.0:9464"), "{shown}");
}

#[test]
fn values_that_the_chart_does_not_know_are_refused() {
    let refused = refusal(&["--set", "setings=x"]);
    assert!(refused.contains("setings"), "{refused}");
}
