//! The Terraform wrapper names what the templates have. Terraform itself is not run.

use std::collections::BTreeSet;

use crate::{read, yaml};

/// The stacks: file of the template, names of the parameters.
fn stacks(text: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let mut stacks = Vec::new();
    for stack in text.split("resource \"aws_cloudformation_stack\"").skip(1) {
        let (_, file) = stack.split_once("${local.templates}/").unwrap();
        let (file, _) = file.split_once('"').unwrap();
        let (_, parameters) = stack.split_once("parameters = {").unwrap();
        let (parameters, _) = parameters.split_once("\n  }").unwrap();
        let names = parameters.lines().filter_map(|line| line.split_once('='));
        stacks.push((file, names.map(|(name, _)| name.trim()).collect()));
    }
    stacks
}

#[test]
fn its_parameters_are_the_templates() {
    let text = read("deploy/terraform/main.tf");
    let stacks = stacks(&text);
    assert_eq!(stacks.len(), 5);
    for (file, given) in stacks {
        let body = yaml::file(&format!("deploy/cloudformation/{file}"));
        let known = body["Parameters"].as_object().unwrap();
        for name in &given {
            assert!(
                known.contains_key(*name),
                "{file} has no parameter `{name}`"
            );
        }
        for (name, definition) in known {
            let is_set = given.contains(name.as_str()) || definition.get("Default").is_some();
            assert!(is_set, "{file} wants `{name}`");
        }
    }
}

/// CloudFormation creates roles only for who says that it may.
#[test]
fn a_stack_with_roles_says_that_it_creates_them() {
    let text = read("deploy/terraform/main.tf");
    for stack in text.split("resource \"aws_cloudformation_stack\"").skip(1) {
        let (_, file) = stack.split_once("${local.templates}/").unwrap();
        let (file, _) = file.split_once('"').unwrap();
        let body = yaml::file(&format!("deploy/cloudformation/{file}"));
        let resources = body["Resources"].as_object().unwrap();
        let has_roles = resources
            .values()
            .any(|resource| resource["Type"] == "AWS::IAM::Role");
        assert_eq!(stack.contains("CAPABILITY_IAM"), has_roles, "{file}");
    }
}

#[test]
fn its_variables_and_the_outputs_that_it_takes_exist() {
    let (main, variables) = (
        read("deploy/terraform/main.tf"),
        read("deploy/terraform/variables.tf"),
    );
    let name = |rest: &str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap()
            .to_owned()
    };
    let used: BTreeSet<_> = main.split("var.").skip(1).map(name).collect();
    let defined: BTreeSet<_> = variables.split("variable \"").skip(1).map(name).collect();
    assert_eq!(used, defined);
    for output in main.split("outputs[\"").skip(1).map(name) {
        let is_known = yaml::templates().any(|(_, body)| body["Outputs"].get(&output).is_some());
        assert!(is_known, "no template has the output `{output}`");
    }
}
