//! What `headwater verify` is to read: what the settings' sink wrote, or what the command line names.
//!
//! Not here: the files and objects that a pattern stands for (`reading`).

use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};
use headwater_actors::failure::Failure;

use super::VerifyMode;
use crate::{
    plan::Plan,
    sinks::{SinkPlan, file::rotated, read_back::ReadBack, stream::StreamPlan},
};

pub enum Input {
    /// Files of each target.
    Targets(Vec<Vec<PathBuf>>),
    /// As the command line names it; all of it has one order together.
    Named(Vec<Named>),
    Streams(Vec<StreamPlan>),
}

/// An argument.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    File(PathBuf),
    Files(Pattern),
    Objects(Objects),
}

/// Of S3.
#[derive(Debug, PartialEq, Eq)]
pub struct Objects {
    pub bucket: String,
    /// Of all their keys.
    pub prefix: String,
    /// `None`: the prefix is a key, or else one of many keys.
    pub pattern: Option<Pattern>,
}

/// As a shell does: `*` stands for text within a name, `**` for any folders, neither for names that begin with a dot.
pub const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

impl Named {
    /// A file of that very name is no pattern.
    fn parse(argument: &Path) -> Result<Self, String> {
        let Some(text) = argument.to_str() else {
            return Ok(Self::File(argument.to_owned()));
        };
        if let Some(rest) = text.strip_prefix("s3://") {
            return Objects::parse(rest)?
                .map(Self::Objects)
                .ok_or_else(|| format!("\"{text}\" names no bucket; write s3://BUCKET/PREFIX"));
        }
        Ok(match pattern(text)? {
            Some(pattern) if !argument.is_file() => Self::Files(pattern),
            _ => Self::File(argument.to_owned()),
        })
    }
}

impl Objects {
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let (bucket, key) = text.split_once('/').unwrap_or((text, ""));
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_allowed) {
            return Ok(None);
        }
        let literal = key.split(WILD).next().unwrap_or_default();
        let pattern = pattern(key)?;
        Ok(Some(Self {
            bucket: bucket.to_owned(),
            prefix: literal.to_owned(),
            pattern,
        }))
    }

    pub fn is_wanted(&self, key: &str) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|pattern| pattern.matches_with(key, MATCHING))
    }
}

const WILD: [char; 3] = ['*', '?', '['];

/// `None`: nothing in it stands for anything else.
fn pattern(text: &str) -> Result<Option<Pattern>, String> {
    if !text.contains(WILD) {
        return Ok(None);
    }
    Pattern::new(text).map(Some).map_err(|error| {
        let (at, what) = (error.pos + 1, error.msg);
        format!(
            "\"{text}\" is no pattern: {what} (character {at}); write [*], [?] or [[] for these characters themselves"
        )
    })
}

/// The text says what to do.
pub fn input(plan: Option<&Plan>, mode: &VerifyMode) -> Result<Input, String> {
    let Some(plan) = plan.filter(|_| mode.files.is_empty()) else {
        let named = mode.files.iter().map(|text| Named::parse(text));
        return Ok(Input::Named(named.collect::<Result<_, _>>()?));
    };
    match plan.sink.read_back() {
        Some(ReadBack::Stream(top)) => streams(plan, &top, &mode.streams).map(Input::Streams),
        Some(ReadBack::Rotated(path)) => files(plan, path).map(Input::Targets),
        None => Err(
            "what this sink.type wrote cannot be read back; name files, as `headwater verify FILE…`"
                .to_owned(),
        ),
    }
}

fn streams(plan: &Plan, top: &StreamPlan, named: &[String]) -> Result<Vec<StreamPlan>, String> {
    let of_name = |name: &String| StreamPlan {
        stream: name.clone(),
        ..top.clone()
    };
    if !named.is_empty() {
        return Ok(named.iter().map(of_name).collect());
    }
    let stream =
        |(place, sink): (String, Option<SinkPlan>)| match sink.and_then(|sink| sink.read_back()) {
            Some(ReadBack::Stream(stream)) => Ok(stream),
            _ => Err(format!(
                "the stream of {place} has a placeholder; name all streams to read with --stream"
            )),
        };
    let routes: Result<Vec<_>, String> = route_targets(plan).map(stream).collect();
    let runs: Result<Vec<_>, String> = run_targets(plan).map(stream).collect();
    let all = targets_in_order(top.clone(), routes?, runs?, |one, other| {
        one.stream.cmp(&other.stream)
    });
    Ok(all)
}

/// Snapshots last: their rows are judged by the changes before them.
fn targets_in_order<T>(
    top: T,
    mut routes: Vec<T>,
    mut runs: Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    routes.push(top);
    for targets in [&mut routes, &mut runs] {
        targets.sort_by(&compare);
        targets.dedup_by(|one, other| compare(one, other).is_eq());
    }
    let is_new = |run: &T| !routes.iter().any(|route| compare(route, run).is_eq());
    runs.retain(is_new);
    routes.append(&mut runs);
    routes
}

/// By place; `None` where the target has a placeholder.
fn route_targets(plan: &Plan) -> impl Iterator<Item = (String, Option<SinkPlan>)> {
    let routes = plan.routes.iter().filter(|route| route.target.is_some());
    routes.map(|route| (route.place(), route.literal_sink(&plan.sink)))
}

/// Of runs of snapshots that have one of their own.
fn run_targets(plan: &Plan) -> impl Iterator<Item = (String, Option<SinkPlan>)> {
    plan.snapshot.runs.iter().filter_map(|run| {
        let name = run.target.as_ref()?.literal().map(str::to_owned);
        let sink = name.map(|name| plan.sink.clone().with_target(name));
        Some((format!("run {} of snapshots", run.name), sink))
    })
}

/// Those of the top level and of all other targets, each file with those that were closed before it.
fn files(plan: &Plan, top: PathBuf) -> Result<Vec<Vec<PathBuf>>, String> {
    let file = |(place, sink): (String, Option<SinkPlan>)| match sink
        .and_then(|sink| sink.read_back())
    {
        Some(ReadBack::Rotated(path)) => Ok(path),
        _ => Err(format!(
            "the file of {place} has a placeholder; name all files to read, as `headwater verify FILE…`"
        )),
    };
    let routes: Result<Vec<_>, String> = route_targets(plan).map(file).collect();
    let runs: Result<Vec<_>, String> = run_targets(plan).map(file).collect();
    let files = targets_in_order(top, routes?, runs?, PathBuf::cmp);
    let files: Result<Vec<_>, Failure> = files.iter().map(|path| rotated(path)).collect();
    files.map_err(|failure| failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Objects {
        match Named::parse(Path::new(text)) {
            Ok(Named::Objects(objects)) => objects,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_object_is_named_by_bucket_and_prefix_or_pattern() {
        for (text, bucket, prefix) in [
            ("s3://log", "log", ""),
            ("s3://log/", "log", ""),
            ("s3://log/2026/11/", "log", "2026/11/"),
            ("s3://log/2026/*/x.gz", "log", "2026/"),
            ("s3://log/2026/1?/**", "log", "2026/1"),
        ] {
            let found = objects(text);
            assert_eq!(
                (found.bucket.as_str(), found.prefix.as_str()),
                (bucket, prefix)
            );
        }
        assert!(objects("s3://log/2026/").is_wanted("2026/a/b"));
        let deep = objects("s3://log/2026/**/*.gz");
        for (key, is_wanted) in [
            ("2026/x.gz", true),
            ("2026/11/30/x.gz", true),
            ("2026/11/30/x.zst", false),
            ("2026/11/30/.x.gz", false),
        ] {
            assert_eq!(deep.is_wanted(key), is_wanted, "{key}");
        }
        assert!(!objects("s3://log/2026/*.gz").is_wanted("2026/11/x.gz"));
        for wrong in ["s3://", "s3:///key", "s3://a b/key"] {
            let refused = Named::parse(Path::new(wrong)).unwrap_err();
            assert!(refused.contains("write s3://BUCKET/PREFIX"), "{refused}");
        }
    }

    #[test]
    fn a_file_of_that_very_name_is_no_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out[1].gz");
        assert!(matches!(Named::parse(&path), Ok(Named::Files(_))));
        std::fs::write(&path, "").unwrap();
        assert_eq!(Named::parse(&path), Ok(Named::File(path)));
        for wrong in ["logs/[", "s3://log/[a", "a/**b"] {
            let refused = Named::parse(Path::new(wrong)).unwrap_err();
            assert!(refused.contains("is no pattern"), "{refused}");
        }
    }
}
