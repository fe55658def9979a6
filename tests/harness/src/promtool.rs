//! Prometheus' own linter over what the program and the chart give to Prometheus.

use std::{io::Write, process::Command};

use anyhow::{Context, ensure};

use crate::cache;

/// What `promtool check metrics` says of a page in the text format: nothing.
///
/// # Errors
/// Its findings, each with its metric; or that it is not installed.
/// <https://prometheus.io/docs/prometheus/latest/command-line/promtool/>
pub fn check_metrics(page: &str) -> anyhow::Result<()> {
    check(&["check", "metrics"], page, true)
}

/// What `promtool check rules` says of a rules file, lints included: nothing.
///
/// # Errors
/// Its findings; or that it is not installed.
pub fn check_rules(rules: &str) -> anyhow::Result<()> {
    check(
        &["check", "rules", "--lint=all", "--lint-fatal"],
        rules,
        false,
    )
}

/// Not every command reads its standard input.
fn check(arguments: &[&str], text: &str, reads_input: bool) -> anyhow::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    let mut command = Command::new(cache::installed("promtool")?.join("bin/promtool"));
    command.args(arguments);
    if reads_input {
        command.stdin(file.reopen()?);
    } else {
        command.arg(file.path());
    }
    let output = command.output().context("start promtool")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(
        output.status.success(),
        "promtool {}: {said}\nof:\n{text}",
        arguments.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_an_error_that_names_it() {
        let help = "# HELP jobs_total Jobs\n# TYPE jobs_total counter\njobs_total 1\n";
        check_metrics(help).unwrap();
        let without = check_metrics("# TYPE jobs counter\njobs 1\n").unwrap_err();
        assert!(without.to_string().contains("no help text"), "{without}");
        let rules = |expression: &str| {
            format!("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: {expression}\n")
        };
        check_rules(&rules("up == 0")).unwrap();
        let wrong = check_rules(&rules("up ==")).unwrap_err();
        assert!(wrong.to_string().contains("parse error"), "{wrong}");
    }
}
