//! What each table gets: the routes in their order, the top level behind them.

use headwater_actors::{
    checkpoint::{OrderingKey, RouteOrdering},
    filter::TableFilter,
};
use headwater_binlog::schema::TableName;

use super::{
    Error, FormatPlan, PackingPlan, Plan, SinkPlan, packing,
    template::{NameError, Template},
    values::{choose, number},
};
use crate::settings::{RouteSettings, Settings};

/// One `[[routes]]`, or the top level.
#[derive(Debug, Clone)]
pub struct RoutePlan {
    /// Of `routes[number]`; `None`: the top level.
    pub number: Option<usize>,
    pub tables: TableFilter,
    /// Where the route's own target stands; else the top level's counts.
    pub target: Option<Template>,
    pub format: FormatPlan,
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
        Ok(with_target(top, template.of(table)?))
    }

    /// The same, where the target needs no table.
    pub fn literal_sink(&self, top: &SinkPlan) -> Option<SinkPlan> {
        let name = self.target.as_ref()?.literal()?;
        Some(with_target(top, name.to_owned()))
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

pub(super) fn top(settings: &Settings, sink: &SinkPlan) -> Result<RoutePlan, Error> {
    route(None, TableFilter::default(), None, settings, sink)
}

pub(super) fn routes(settings: &Settings, sink: &SinkPlan) -> Result<Vec<RoutePlan>, Error> {
    let planned = settings.routes.iter().enumerate().map(|(number, found)| {
        let planned = || {
            let tables = TableFilter::new(&found.tables).map_err(|error| {
                Error::new("tables", error.to_string(), "see config/default.toml")
            })?;
            let target = target(found, sink)?;
            route(Some(number), tables, target, &found.settings, sink)
        };
        planned().map_err(|error| error.in_route(number))
    });
    planned.collect()
}

fn route(
    number: Option<usize>,
    tables: TableFilter,
    target: Option<Template>,
    settings: &Settings,
    sink: &SinkPlan,
) -> Result<RoutePlan, Error> {
    let ordering = ordering_key(settings)?;
    let format = FormatPlan::of(&settings.format, &settings.name)?;
    Ok(RoutePlan {
        number,
        tables,
        target,
        packing: packing::packing(settings, sink, &ordering, &format)?,
        format,
        ordering,
    })
}

fn ordering_key(settings: &Settings) -> Result<OrderingKey, Error> {
    let lanes = number("ordering.lanes", settings.ordering.lanes, 1..=256)?;
    choose(
        "ordering.key",
        &settings.ordering.key,
        &[
            ("table", OrderingKey::Table),
            ("primary_key", OrderingKey::PrimaryKey { lanes }),
        ],
    )
}

fn target(route: &RouteSettings, sink: &SinkPlan) -> Result<Option<Template>, Error> {
    const STREAM: &str = "sink.kinesis.stream";
    const DELIVERY_STREAM: &str = "sink.firehose.delivery_stream";
    const PATH: &str = "sink.file.path";
    let own = match sink {
        SinkPlan::Kinesis(_) => Some(STREAM),
        SinkPlan::Firehose(_) => Some(DELIVERY_STREAM),
        SinkPlan::File(_) => Some(PATH),
        SinkPlan::Stdout | SinkPlan::Null => None,
    };
    let other = [STREAM, DELIVERY_STREAM, PATH]
        .into_iter()
        .find(|key| Some(*key) != own && route.given.contains(*key));
    if let Some(key) = other {
        return Err(Error::new(
            key,
            format!(
                "has no effect with sink.type = \"{}\"",
                route.settings.sink.kind
            ),
            "all routes have the sink of the top level; remove the key",
        ));
    }
    let Some(key) = own.filter(|key| route.given.contains(*key)) else {
        return Ok(None);
    };
    let settings = &route.settings.sink;
    let template = match sink {
        SinkPlan::Kinesis(_) => Template::stream(key, &settings.kinesis.stream, 128)?,
        SinkPlan::Firehose(_) => Template::stream(key, &settings.firehose.delivery_stream, 64)?,
        SinkPlan::File(_) | SinkPlan::Stdout | SinkPlan::Null => {
            Template::path(key, &settings.file.path)?
        }
    };
    Ok(Some(template))
}

fn with_target(top: &SinkPlan, name: String) -> SinkPlan {
    let mut sink = top.clone();
    match &mut sink {
        SinkPlan::Kinesis(kinesis) => kinesis.stream = name,
        SinkPlan::Firehose(firehose) => firehose.delivery_stream = name,
        SinkPlan::File(file) => file.path = name.into(),
        SinkPlan::Stdout | SinkPlan::Null => (),
    }
    sink
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
