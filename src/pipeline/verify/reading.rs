//! Files, objects of S3 and streams, read line by line into the audit, or first into order.
//!
//! An object is read like a file: part after part, each asked for when the one before it has been read.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use actix::SystemRunner;
use bytes::Bytes;
use glob::Pattern;
use headwater_actors::failure::Failure;
use headwater_verify::{Audit, Place, Standing, TooManyKeys};

use super::{
    VerifyMode,
    inputs::{MATCHING, Named, Objects},
    sorting::Sorting,
};
use crate::{
    aws::{
        AwsPlan,
        objects::{Bucket, Object},
    },
    sinks::{
        kinesis::reading::{self, Reading},
        read_back,
        stream::StreamPlan,
    },
};

/// What all files and all sorted lines have: one order.
const ONE_ORDER: Place<'static> = Place {
    shard: "",
    lane: None,
};

pub struct Reader<'a> {
    system: &'a SystemRunner,
    buckets: HashMap<String, Rc<Bucket>>,
    taker: Taker,
}

/// Where lines go.
struct Taker {
    audit: Audit,
    sorting: Option<Sorting>,
}

impl<'a> Reader<'a> {
    pub fn new(system: &'a SystemRunner, audit: Audit, sorting: Option<Sorting>) -> Self {
        Self {
            system,
            buckets: HashMap::new(),
            taker: Taker { audit, sorting },
        }
    }

    /// Lines that are put in order have one order over all targets.
    pub fn begin_target(&mut self) {
        if self.taker.sorting.is_none() {
            self.taker.audit.begin_target();
        }
    }

    pub fn named(&mut self, named: &Named) -> Result<(), Failure> {
        match named {
            Named::File(path) => self.file(path),
            Named::Files(pattern) => {
                let paths = matching(pattern)?;
                paths.iter().try_for_each(|path| self.file(path))
            }
            Named::Objects(objects) => self.objects(objects),
        }
    }

    pub fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let name = format!("file \"{}\"", path.display());
        let taker = &mut self.taker;
        taker.audit.begin_file(&name);
        read_back::read_file(path, &mut |line| {
            let taken = taker.take(ONE_ORDER, line);
            taken.map_err(|failure| failure.within(name.clone()))
        })
    }

    /// Several streams have shards of the same names.
    pub fn stream(
        &mut self,
        stream: &StreamPlan,
        is_one_of_many: bool,
        mode: &VerifyMode,
    ) -> Result<(), Failure> {
        let pace = Reading {
            reads_per_sec: mode.reads_per_sec,
            until_idle: mode.until_idle,
        };
        let taker = &mut self.taker;
        self.system
            .block_on(reading::read(stream, pace, &mut |record| {
                let shard = match is_one_of_many {
                    true => format!("{}/{}", stream.stream, record.shard),
                    false => record.shard.to_owned(),
                };
                let place = Place {
                    shard: &shard,
                    lane: Some(record.partition_key),
                };
                let taken = taker.take(place, record.data);
                taken.map_err(|failure| failure.within(format!("stream \"{}\"", stream.stream)))
            }))
    }

    /// The audit of all that was read.
    pub fn finish(self) -> Result<Audit, Failure> {
        let Taker { mut audit, sorting } = self.taker;
        if let Some(sorting) = sorting {
            audit.begin_file("");
            sorting.finish(&mut |line| judged(audit.take(ONE_ORDER, line).map(drop)))?;
        }
        Ok(audit)
    }

    fn objects(&mut self, named: &Objects) -> Result<(), Failure> {
        let bucket = self.bucket(&named.bucket)?;
        let is_wanted = |key: &str| named.is_wanted(key);
        let list = bucket.list(&named.prefix, &is_wanted);
        let mut objects = self.system.block_on(list)?;
        // One of that very name, where others only begin with it.
        let is_exact = |object: &Object| named.pattern.is_none() && object.key == named.prefix;
        if objects.first().is_some_and(is_exact) && !named.prefix.ends_with('/') {
            objects.truncate(1);
        }
        if objects.is_empty() {
            let what = match &named.pattern {
                Some(pattern) => format!("matches \"{pattern}\""),
                None => format!("begins with \"{}\"", named.prefix),
            };
            let text = format!("no object of bucket \"{}\" {what}", bucket.name());
            return Err(Failure::definite(text).with_hint(PATTERN_HINT));
        }
        objects
            .into_iter()
            .try_for_each(|object| self.object(&bucket, object))
    }

    fn object(&mut self, bucket: &Bucket, object: Object) -> Result<(), Failure> {
        let name = format!("object \"{}/{}\"", bucket.name(), object.key);
        let file = ObjectFile {
            system: self.system,
            bucket,
            object,
            at: 0,
            part: Bytes::new(),
        };
        let taker = &mut self.taker;
        taker.audit.begin_file(&name);
        read_back::read_lines(&name, file, &mut |line| {
            let taken = taker.take(ONE_ORDER, line);
            taken.map_err(|failure| failure.within(name.clone()))
        })
    }

    /// By the environment alone: what the settings say of AWS is about streams.
    fn bucket(&mut self, name: &str) -> Result<Rc<Bucket>, Failure> {
        if let Some(bucket) = self.buckets.get(name) {
            return Ok(Rc::clone(bucket));
        }
        let plan = AwsPlan::default();
        let bucket = self.system.block_on(Bucket::connect(&plan, name))?;
        let bucket = Rc::new(bucket);
        self.buckets.insert(name.to_owned(), Rc::clone(&bucket));
        Ok(bucket)
    }
}

impl Taker {
    /// A record, or a line of a file.
    fn take(&mut self, place: Place<'_>, record: &[u8]) -> Result<(), Failure> {
        self.audit.count_record();
        let Self { audit, sorting } = self;
        let mut outcome = Ok(());
        let unpacked = headwater_verify::lines(record, &mut |line| {
            if outcome.is_ok() {
                outcome = match sorting {
                    Some(sorting) => sort(sorting, audit, place, line),
                    None => judged(audit.take(place, line).map(drop)),
                };
            }
        });
        if let Err(malformed) = unpacked {
            audit.unreadable(place.shard, &malformed.to_string());
        }
        outcome
    }
}

/// What is no line is judged where it came.
fn sort(
    sorting: &mut Sorting,
    audit: &mut Audit,
    place: Place<'_>,
    line: &[u8],
) -> Result<(), Failure> {
    match audit.standing(line) {
        Standing::At(seq) => sorting.push(seq, line),
        Standing::Unreadable => judged(audit.take(place, line).map(drop)),
        Standing::Nowhere => Err(Failure::definite("a line has no `seq`, by which lines are put in order")
            .with_hint("verify lines of format.type = \"native\" with \"seq\" among native.fields; leave out what else stands there (errors of Firehose have a prefix of their own) by a pattern, or leave out --unordered if the lines are in order")),
    }
}

fn judged(taken: Result<(), TooManyKeys>) -> Result<(), Failure> {
    taken.map_err(|error| {
        Failure::definite(error.to_string()).with_hint("raise --keys-max, at most 300 bytes a key")
    })
}

const PATTERN_HINT: &str = "put the pattern in quotes; * stands for text within a name, ** for any folders, and neither for names that begin with a dot";

/// By name.
fn matching(pattern: &Pattern) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: io::Error, path: &Path| {
        Failure::definite(format!("read folder \"{}\"", path.display()))
            .because(error)
            .with_hint(
                "let the process read all folders that the pattern leads through, or name others",
            )
    };
    // At its end `**` would be folders alone.
    let all_within = match pattern.as_str() {
        text if text == "**" || text.ends_with("/**") => format!("{text}/*"),
        text => text.to_owned(),
    };
    let found = glob::glob_with(&all_within, MATCHING);
    // It was parsed before.
    let found = found.map_err(|error| Failure::definite(error.to_string()))?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            failed(error.into(), &path)
        })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let text = format!("no file matches \"{pattern}\"");
        return Err(Failure::definite(text).with_hint(PATTERN_HINT));
    }
    paths.sort_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
    Ok(paths)
}

/// An object, read like a file.
struct ObjectFile<'a> {
    system: &'a SystemRunner,
    bucket: &'a Bucket,
    object: Object,
    /// Where the next part begins.
    at: u64,
    /// What of the last one is left.
    part: Bytes,
}

impl Read for ObjectFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.at < self.object.bytes {
            let part = self.bucket.part(&self.object, self.at);
            self.part = self.system.block_on(part).map_err(io::Error::other)?;
            self.at += self.part.len() as u64;
        }
        let bytes = self.part.len().min(buffer.len());
        let read = self.part.split_to(bytes);
        buffer[..bytes].copy_from_slice(&read);
        Ok(bytes)
    }
}
