//! What each table gets: the routes in their order, the top level behind them.

use std::sync::Arc;

use headwater_actors::{
    checkpoint::{OrderingKey, RouteOrdering},
    filter::TableFilter,
};
use headwater_binlog::schema::TableName;
use serde::Deserialize;

use super::{Error, PackingPlan, Plan, packing::PackingOptions, targets::own_target};
use crate::{
    encode::{Format, FormatOptions, native::NativePlan},
    options::{number, read_choice},
    settings::Loaded,
    sinks::{NameError, SinkPlan, Template},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderingOptions {
    #[serde(deserialize_with = "read_choice")]
    key: OrderingChoice,
    lanes: u64,
}

/// As `ordering.key` has them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderingChoice {
    Table,
    PrimaryKey,
}

/// One `[[routes]]`, or the top level.
#[derive(Debug, Clone)]
pub struct RoutePlan {
    /// Of `routes[number]`; `None`: the top level.
    pub number: Option<usize>,
    pub tables: TableFilter,
    /// Where the route's own target stands; else the top level's counts.
    pub target: Option<Template>,
    pub format: Format,
    pub packing: PackingPlan,
    pub ordering: OrderingKey,
}

impl RoutePlan {
    /// For messages: `routes[0]`, `the top level`.
    pub fn place(&self) -> String {
        self.number.map_or_else(
            || "the top level".to_owned(),
            |number| format!("routes[{number}]"),
        )
    }

    /// The top level's sink with this route's target for the table.
    pub fn sink(&self, top: &SinkPlan, table: &TableName) -> Result<SinkPlan, NameError> {
        let Some(template) = &self.target else {
            return Ok(top.clone());
        };
        Ok(top.clone().with_target(template.of(table)?))
    }

    /// The same, where the target needs no table.
    pub fn literal_sink(&self, top: &SinkPlan) -> Option<SinkPlan> {
        let name = self.target.as_ref()?.literal()?;
        Some(top.clone().with_target(name.to_owned()))
    }

    /// A statement about a whole database has no table to make a name of: it passes such a route by.
    fn takes(&self, table: &TableName) -> bool {
        let is_named =
            !table.table.is_empty() || !self.target.as_ref().is_some_and(Template::names_table);
        is_named && self.tables.includes(table)
    }
}

impl Plan {
    /// The first route that takes the table.
    pub fn route_of(&self, table: &TableName) -> &RoutePlan {
        let route = self.routes.iter().find(|route| route.takes(table));
        route.unwrap_or(&self.top)
    }
}

/// What a route may have otherwise than the top level.
#[derive(Deserialize)]
pub(super) struct Routed {
    pub(super) format: FormatOptions,
    pub(super) packing: PackingOptions,
    pub(super) ordering: OrderingOptions,
}

/// What all routes have in common.
pub(super) struct Common<'a> {
    pub(super) sink: &'a SinkPlan,
    pub(super) native: &'a Arc<NativePlan>,
    pub(super) pipeline: &'a str,
}

pub(super) fn routes(loaded: &Loaded, common: &Common<'_>) -> Result<Vec<RoutePlan>, Error> {
    let planned = loaded.routes.iter().enumerate().map(|(number, route)| {
        let planned = || {
            let tables = TableFilter::new(&route.tables()).map_err(|error| {
                Error::new("tables", error.to_string(), "see config/default.toml")
            })?;
            let routed: Routed = loaded.read_route(route)?;
            let target = own_target(common.sink, "all routes have", |key| route.text(key))?;
            Ok(RoutePlan {
                number: Some(number),
                tables,
                target,
                ..routed.plan(common)?
            })
        };
        planned().map_err(|error: Error| error.under(&format!("routes[{number}]")))
    });
    planned.collect()
}

impl Routed {
    pub(super) fn plan(self, common: &Common<'_>) -> Result<RoutePlan, Error> {
        let ordering = self.ordering.plan()?;
        let format = self.format.plan(common.native, common.pipeline)?;
        Ok(RoutePlan {
            number: None,
            tables: TableFilter::default(),
            target: None,
            packing: self.packing.plan(common.sink, &ordering, &format)?,
            format,
            ordering,
        })
    }
}

impl OrderingOptions {
    fn plan(&self) -> Result<OrderingKey, Error> {
        let lanes = number("ordering.lanes", self.lanes, 1..=256)?;
        Ok(match self.key {
            OrderingChoice::Table => OrderingKey::Table,
            OrderingChoice::PrimaryKey => OrderingKey::PrimaryKey { lanes },
        })
    }
}

/// The order of all tables as one rule.
pub(super) fn ordering(routes: &[RoutePlan], top: &RoutePlan) -> OrderingKey {
    let routes = routes.iter().map(|route| RouteOrdering {
        tables: route.tables.clone(),
        key: route.ordering.clone(),
    });
    OrderingKey::routed(routes.collect(), top.ordering.clone())
}

#[cfg(test)]
mod tests;
