//! The routes of one generation: which sink a lane has, and which encoder.
//!
//! Sinks outlive generations, encoders do not: they know the server that is read.

use std::sync::Arc;

use headwater_actors::{
    failure::Failure,
    lane::Lane,
    ports::{
        BoxFuture,
        encoder::Encoder,
        routes::{Route, Routes, Target},
    },
};
use headwater_binlog::gtid::Uuid;

use super::outputs::Outputs;
use crate::{
    encode::{Format, shape::ShapeRules},
    plan::Plan,
};

pub struct GenerationRoutes {
    outputs: Arc<Outputs>,
    formats: Arc<Formats>,
}

/// Makes the encoders of a generation.
pub struct Formats {
    server_uuid: Uuid,
    shape: ShapeRules,
}

impl GenerationRoutes {
    pub fn new(plan: &Plan, outputs: Arc<Outputs>, server_uuid: Uuid) -> Self {
        let shape = ShapeRules::new(&plan.shape, plan.errors.invalid_text);
        Self {
            outputs,
            formats: Arc::new(Formats { server_uuid, shape }),
        }
    }
}

impl Routes for GenerationRoutes {
    fn route(&self, lane: &Lane) -> BoxFuture<'static, Result<Route, Failure>> {
        let (outputs, formats) = (Arc::clone(&self.outputs), Arc::clone(&self.formats));
        let lane = lane.clone();
        Box::pin(async move { outputs.route(&lane, &formats).await })
    }

    fn targets(&self) -> BoxFuture<'static, Vec<Target>> {
        let outputs = Arc::clone(&self.outputs);
        Box::pin(async move { outputs.connected().await })
    }
}

impl Formats {
    pub fn encoder(&self, format: &Format) -> Arc<dyn Encoder> {
        format.encoder(self.server_uuid, self.shape.clone())
    }
}
