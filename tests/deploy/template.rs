//! A template as CloudFormation would see it: parameters filled in, conditions decided, functions carried out.
//!
//! What only AWS knows stands as a name: a resource's reference as its logical id, an attribute as `Id.Attribute`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::yaml;

pub struct Template {
    body: &'static Value,
    parameters: BTreeMap<String, Value>,
}

impl Template {
    /// With these parameters; each other one needs a default.
    pub fn with(name: &str, given: &[(&str, &str)]) -> Self {
        let body = yaml::file(&format!("deploy/cloudformation/{name}"));
        let mut parameters = BTreeMap::new();
        for (parameter, definition) in body["Parameters"].as_object().unwrap() {
            let found = given.iter().find(|(name, _)| name == parameter);
            let value = match found {
                Some((_, value)) => (*value).to_owned(),
                None => match definition.get("Default") {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => panic!("{name}: `{parameter}` has no default"),
                },
            };
            let kind = definition["Type"].as_str().unwrap();
            let value = match kind.contains("List") {
                true => Value::from(value.split(',').collect::<Vec<_>>()),
                false => Value::from(value),
            };
            parameters.insert(parameter.clone(), value);
        }
        for (name, _) in given {
            assert!(parameters.contains_key(*name), "no parameter `{name}`");
        }
        Self { body, parameters }
    }

    /// The properties of a resource.
    pub fn properties(&self, resource: &str) -> Value {
        let found = self
            .body
            .pointer(&format!("/Resources/{resource}/Properties"));
        self.resolve(found.unwrap_or_else(|| panic!("no resource `{resource}`")))
    }

    /// Whether a resource is created.
    pub fn has(&self, resource: &str) -> bool {
        let condition = self.body["Resources"][resource].get("Condition");
        condition.is_none_or(|name| self.holds(&json!({"Condition": name})))
    }

    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolve(item));
                items.filter(|item| !item.is_null()).collect()
            }
            Value::Object(members) => match function(members) {
                Some((name, argument)) => self.call(name, argument),
                None => {
                    let members = members
                        .iter()
                        .map(|(key, value)| (key, self.resolve(value)));
                    let kept = members.filter(|(_, value)| !value.is_null());
                    Value::Object(kept.map(|(key, value)| (key.clone(), value)).collect())
                }
            },
            other => other.clone(),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Value {
        match function {
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => {
                let parts = argument.as_array().unwrap().iter();
                let parts: Vec<_> = parts.map(|part| part.as_str().unwrap()).collect();
                Value::from(parts.join("."))
            }
            "Fn::Sub" => match argument {
                Value::Array(parts) => self.substitute(parts[0].as_str().unwrap(), &parts[1]),
                text => self.substitute(text.as_str().unwrap(), &Value::Null),
            },
            "Fn::Join" => {
                let parts = self.resolve(&argument[1]);
                let parts: Vec<_> = parts.as_array().unwrap().iter().map(text).collect();
                Value::from(parts.join(argument[0].as_str().unwrap()))
            }
            "Fn::Split" => {
                let whole = text(&self.resolve(&argument[1]));
                whole.split(argument[0].as_str().unwrap()).collect()
            }
            "Fn::Select" => {
                let at: usize = text(&argument[0]).parse().unwrap();
                self.resolve(&argument[1])[at].clone()
            }
            "Fn::If" => {
                let holds = self.holds(&json!({"Condition": argument[0]}));
                self.resolve(&argument[if holds { 1 } else { 2 }])
            }
            other => panic!("`{other}` is not known here"),
        }
    }

    fn reference(&self, name: &str) -> Value {
        match name {
            "AWS::NoValue" => Value::Null,
            "AWS::Region" => "us-east-1".into(),
            "AWS::AccountId" => "123456789012".into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => {
                    assert!(self.body["Resources"].get(name).is_some(), "no `{name}`");
                    name.into()
                }
            },
        }
    }

    fn substitute(&self, pattern: &str, own: &Value) -> Value {
        let mut whole = String::new();
        let mut rest = pattern;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').unwrap();
            let value = match own.get(name) {
                Some(value) => self.resolve(value),
                None if name.contains('.') => Value::from(name),
                None => self.reference(name),
            };
            whole += before;
            whole += &text(&value);
            rest = after;
        }
        Value::from(whole + rest)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (name, argument) = function(condition.as_object().unwrap()).unwrap();
        let all = || argument.as_array().unwrap().iter();
        match name {
            "Condition" => self.holds(&self.body["Conditions"][argument.as_str().unwrap()]),
            "Fn::Equals" => text(&self.resolve(&argument[0])) == text(&self.resolve(&argument[1])),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => all().all(|condition| self.holds(condition)),
            "Fn::Or" => all().any(|condition| self.holds(condition)),
            other => panic!("`{other}` is no condition"),
        }
    }
}

fn function(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    let is_one = name == "Ref" || name == "Condition" && argument.is_string();
    (is_one || name.starts_with("Fn::")).then_some((name, argument))
}

/// A number as its digits.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every object beneath a value, itself included.
pub fn objects(value: &Value) -> Vec<&Map<String, Value>> {
    let mut found: Vec<_> = value.as_object().into_iter().collect();
    let beneath: Vec<_> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    };
    found.extend(beneath.into_iter().flat_map(objects));
    found
}

#[test]
fn every_finding_that_is_passed_over_has_a_reason() {
    let mut reasons = 0;
    for (name, body) in yaml::templates() {
        for object in objects(body) {
            for skip in object
                .get("skip")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let reason = skip["comment"].as_str().unwrap_or_default();
                assert!(20 < reason.len(), "{name}: {skip} says no reason");
                reasons += 1;
            }
        }
        let text = crate::read(&format!("deploy/cloudformation/{name}"));
        let lines = text
            .lines()
            .skip_while(|line| !line.contains("ignore_checks:"));
        for line in lines
            .skip(1)
            .take_while(|line| line.trim_start().starts_with("- "))
        {
            assert!(line.contains(" # "), "{name}: {line} says no reason");
            reasons += 1;
        }
    }
    assert!(0 < reasons);
}

/// CloudFormation takes a text of this size without a bucket, as the Terraform wrapper hands it over.
#[test]
fn every_template_can_be_handed_over_as_a_text() {
    for (name, _) in yaml::templates() {
        let size = crate::read(&format!("deploy/cloudformation/{name}")).len();
        assert!(size <= 51_200, "{name} has {size} bytes");
    }
}

/// A nested stack's parameters exist in its template, none that it needs is missing, and so are the outputs that others take.
#[test]
fn nested_stacks_fit_together() {
    let mut stacks = 0;
    for (name, body) in yaml::templates() {
        let resources = body["Resources"].as_object().unwrap();
        for (id, resource) in resources {
            if resource["Type"] != "AWS::CloudFormation::Stack" {
                continue;
            }
            stacks += 1;
            let file = resource["Properties"]["TemplateURL"].as_str().unwrap();
            let inner = yaml::file(&format!("deploy/cloudformation/{file}"));
            let given = resource["Properties"]["Parameters"].as_object().unwrap();
            let known = inner["Parameters"].as_object().unwrap();
            for parameter in given.keys() {
                assert!(
                    known.contains_key(parameter),
                    "{name}: {id}: no `{parameter}` in {file}"
                );
            }
            for (parameter, definition) in known {
                let is_set = given.contains_key(parameter) || definition.get("Default").is_some();
                assert!(is_set, "{name}: {id}: {file} wants `{parameter}`");
                // One that is passed on under its name means the same in both.
                let outer = body["Parameters"].get(parameter);
                if let (Some(outer), Some(default)) = (outer, definition.get("Default")) {
                    assert_eq!(&outer["Default"], default, "{name}: {parameter}");
                }
            }
        }
        let attributes = objects(body).into_iter().filter_map(|object| {
            let parts = object.get("Fn::GetAtt")?.as_array()?;
            let attribute = parts.get(1)?.as_str()?.strip_prefix("Outputs.")?;
            Some((parts[0].as_str()?, attribute))
        });
        for (id, output) in attributes {
            let file = resources[id]["Properties"]["TemplateURL"].as_str().unwrap();
            let outputs = &yaml::file(&format!("deploy/cloudformation/{file}"))["Outputs"];
            assert!(
                outputs.get(output).is_some(),
                "{name}: {file} has no output `{output}`"
            );
        }
    }
    assert!(8 < stacks);
}
