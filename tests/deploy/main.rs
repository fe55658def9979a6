//! What is deployed, held against the program: the CloudFormation templates, compose.yaml, Terraform, the image's files.
//!
//! Not here: cfn-lint and checkov (`scripts/check`), the Helm chart (`tests/helm`), and what only AWS can show.

#![allow(clippy::unwrap_used)] // a test ends there

mod alarms;
mod compose;
mod halts;
mod image;
mod rights;
mod service;
mod stopper;
mod template;
mod terraform;
mod warehouse;
mod yaml;

use std::{path::Path, time::Duration};

use headwater::{
    plan::Plan,
    settings::{DEFAULT_TOML, Document, Layers, Loaded},
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_headwater");
pub const WITHIN: Duration = Duration::from_secs(60);

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Settings as a container gets them: one text.
pub fn loaded(text: &str) -> Loaded {
    let layers = Layers {
        documents: vec![Document {
            name: "HEADWATER_CONFIG".to_owned(),
            text: Ok(text.to_owned()),
        }],
        environment: Vec::new(),
        sets: &[],
    };
    layers
        .load()
        .unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

pub fn plan(text: &str) -> Plan {
    Plan::from_settings(&loaded(text)).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// A default of the reference.
pub fn default_of(section: &str, key: &str) -> toml::Value {
    let reference: toml::Table = DEFAULT_TOML.parse().unwrap();
    reference[section][key].clone()
}

/// The port of `telemetry.listen`.
pub fn port() -> u64 {
    let listen = default_of("telemetry", "listen");
    let (_, port) = listen.as_str().unwrap().rsplit_once(':').unwrap();
    port.parse().unwrap()
}
