//! Real servers, faults, consumers and a judge for tests, demo and benches.
//!
//! Each server has its own folder and its own port on 127.0.0.1, is ready when its `start` returns and
//! is gone when its value is dropped, also when the process that started it is killed. Nothing is
//! downloaded here: `scripts/install` does that, and what it has not done is an error that says so.

pub mod aws;
pub mod cache;
pub mod chaos;
pub mod check;
pub mod clock;
pub mod consumer;
pub mod facts;
pub mod faults;
pub mod figures;
pub mod firehose;
pub mod generator;
pub mod golden;
pub mod http;
pub mod kinesis;
pub mod lake;
pub mod moto;
pub mod mysql;
pub mod objects;
pub mod orders;
pub mod place;
pub mod ports;
pub mod postgres;
pub mod prepared;
pub mod process;
pub mod program;
pub mod promtool;
pub mod rds;
pub mod redshift;
pub mod road;
pub mod sql;
pub mod swallow;
pub mod tables;
pub mod unpack;
pub mod wait;
pub mod warehouse;
pub mod wire;
