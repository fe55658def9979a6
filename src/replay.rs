//! Binlog files as a source, instead of a server.

use std::path::PathBuf;

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        source::{EventStream, Head, ResumePoint, Source},
    },
};
use headwater_binlog::position::{FileName, Position};

pub struct FileSource {
    first: FileName,
}

impl FileSource {
    pub fn new(files: Vec<PathBuf>, _event_bytes_max: usize) -> Result<Self, Failure> {
        let name = files
            .first()
            .map_or_else(String::new, |path| path.display().to_string());
        let first = FileName::parse(&name).map_err(|error| Failure::definite(error.to_string()))?;
        Ok(Self { first })
    }

    pub fn first_position(&self) -> Position {
        Position::new(self.first.clone(), 4)
    }
}

impl Source for FileSource {
    fn open(
        &self,
        _from: ResumePoint,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        Box::pin(async { Err(Failure::definite("not written")) })
    }

    fn head(&self, _from: Position) -> BoxFuture<'static, Result<Head, Failure>> {
        Box::pin(async { Err(Failure::definite("not written")) })
    }
}
