//! What `headwater check` and `headwater run` ask a server before they read from it.
//!
//! Asks everything once, judges with [`super::checks`]. Not here: the checkpoint, the sink.

use headwater_actors::{checkpoint::OrderingKey, failure::Failure, filter::TableFilter};
use headwater_binlog::schema::{NameCase, TableName};

pub use super::checks::{Check, Verdict};
use super::options::SourcePlan;
use super::{
    cascades::cascades,
    checks::{
        SeenTable, Variables, ensure_all_seen, ensure_cascades, ensure_checksum,
        ensure_column_names, ensure_durability, ensure_event_bytes, ensure_format,
        ensure_gtid_mode, ensure_log_bin, ensure_log_filters, ensure_log_storage,
        ensure_no_old_fractions, ensure_primary_keys, ensure_privileges, ensure_read_before,
        ensure_replica_updates, ensure_retention, ensure_row_image, ensure_row_metadata,
        ensure_row_value_options, ensure_server_id, ensure_strict_gtids, ensure_tables, ensure_tls,
        ensure_version, logs_cascades,
    },
    facts::{Flavour, SLOW_ANSWER, Server, number, text},
    log_filters::LogFilters,
    query::Row,
    session::server,
};

const DOING: &str = "check the server";

/// One check a line, in the order in which an operator would go. `before` are the tables of the stored position, and
/// `copied` those whose rows are copied.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub async fn preflight(
    plan: &SourcePlan,
    filter: &TableFilter,
    ordering: &OrderingKey,
    before: Option<&TableFilter>,
    copied: Option<&TableFilter>,
) -> Result<Vec<Check>, Failure> {
    let mut server = server(plan).await?;
    let version = ensure_version(&server.version_text, server.version());
    if version.verdict == Verdict::Fail {
        server.leave().await;
        return Ok(vec![version]);
    }
    let variables = variables(&mut server).await?;
    let grants = grants(&mut server).await?;
    let tables = tables(&mut server, variables.name_case()).await?;
    let filters = log_filters(&mut server).await?;
    let rds_hours = rds_hours(&mut server).await?;
    let replicas = replicas(&mut server).await?;
    let old_columns = old_columns(&mut server).await?;
    let cascades = match logs_cascades(&variables, server.version()) {
        true => Vec::new(),
        false => cascades(&mut server, variables.name_case(), filter).await?,
    };
    let cipher = cipher(&mut server).await?;
    let user = server.user.clone();
    server.leave().await;

    let mut checks = vec![
        version,
        ensure_tls(cipher.as_deref(), plan.tls.mode),
        ensure_log_bin(&variables),
        ensure_format(&variables),
        ensure_row_image(&variables),
        ensure_row_metadata(&variables, plan.unnamed_columns),
        ensure_row_value_options(&variables),
        ensure_checksum(&variables),
        ensure_privileges(&grants, &user),
        ensure_gtid_mode(&variables),
        ensure_retention(&variables, rds_hours),
        ensure_server_id(&variables, &replicas, plan.server_id),
        ensure_event_bytes(&variables, plan.event_bytes_max),
        ensure_replica_updates(&variables),
    ];
    checks.extend(ensure_column_names(
        &variables,
        plan.unnamed_columns,
        &grants,
        filters.as_ref(),
        &user,
    ));
    checks.extend(ensure_durability(&variables));
    checks.extend(ensure_log_storage(&variables));
    checks.push(ensure_log_filters(
        filters.as_ref(),
        &tables,
        filter,
        variables.name_case(),
    ));
    if variables.flavour() == Flavour::MariaDb {
        checks.push(ensure_strict_gtids(&variables));
        checks.push(ensure_no_old_fractions(&old_columns, filter));
    }
    checks.extend(ensure_cascades(&cascades));
    checks.push(ensure_tables(&tables, filter, &user));
    checks.extend(before.and_then(|before| ensure_read_before(&tables, filter, before, copied)));
    checks.extend(copied.and_then(|copied| ensure_all_seen(&grants, copied, &user)));
    checks.extend(ensure_primary_keys(&tables, filter, ordering));
    Ok(checks)
}

async fn variables(server: &mut Server) -> Result<Variables, Failure> {
    let names = Variables::NAMES.join("', '");
    let sql = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{names}')");
    let rows = server.rows(DOING, &sql).await?;
    let pair = |row: &Row| Some((text(row, 0)?, text(row, 1)?));
    Ok(Variables(rows.iter().filter_map(pair).collect()))
}

/// Of this connection; the dump's is made alike.
async fn cipher(server: &mut Server) -> Result<Option<String>, Failure> {
    let rows = server
        .rows(DOING, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .await?;
    let cipher = rows.first().and_then(|row| text(row, 1));
    Ok(cipher.filter(|cipher| !cipher.is_empty()))
}

async fn grants(server: &mut Server) -> Result<Vec<String>, Failure> {
    // Without FOR: those of the active roles too.
    let rows = server.rows(DOING, "SHOW GRANTS").await?;
    Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
}

/// TABLE_CONSTRAINTS would hide what an account may only SELECT, in MariaDB and MySQL before 8.0.
async fn tables(server: &mut Server, case: NameCase) -> Result<Vec<SeenTable>, Failure> {
    let sql = "SELECT t.table_schema, t.table_name, k.constraint_name IS NOT NULL \
        FROM information_schema.tables t LEFT JOIN information_schema.key_column_usage k \
        ON k.table_schema = t.table_schema AND k.table_name = t.table_name \
        AND k.constraint_name = 'PRIMARY' AND k.ordinal_position = 1 \
        WHERE t.table_type = 'BASE TABLE' \
        AND t.table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')";
    let rows = server.rows_within(SLOW_ANSWER, DOING, sql).await?;
    let table = |row: &Row| {
        Some(SeenTable {
            name: TableName {
                database: case.fold(text(row, 0)?),
                table: case.fold(text(row, 1)?),
            },
            has_primary_key: number(row, 2)? != 0,
        })
    };
    Ok(rows.iter().filter_map(table).collect())
}

/// `None` where there is no such table, or none that we may read: then it is not RDS, as far as we know.
async fn rds_hours(server: &mut Server) -> Result<Option<Option<u64>>, Failure> {
    let sql = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";
    let rows = server.rows_if_told(DOING, sql).await?;
    Ok(rows.and_then(|rows| rows.first().map(|row| number(row, 0))))
}

/// None that we may not ask for: what the account lacks is judged on its own.
async fn log_filters(server: &mut Server) -> Result<Option<LogFilters>, Failure> {
    match server.log_filters().await {
        Err(failure) if failure.is_definite() => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Tables with columns of a fraction of a second in MariaDB's own old format.
async fn old_columns(server: &mut Server) -> Result<Vec<TableName>, Failure> {
    if server.flavour() == Flavour::MySql {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT table_schema, table_name FROM information_schema.columns \
        WHERE column_type LIKE '%mariadb-5.3%' AND datetime_precision > 0";
    let rows = server.rows_within(SLOW_ANSWER, DOING, sql).await?;
    let table = |row: &Row| {
        Some(TableName {
            database: text(row, 0)?,
            table: text(row, 1)?,
        })
    };
    Ok(rows.iter().filter_map(table).collect())
}

/// Ids of the replicas that read now; none that we may not ask for.
async fn replicas(server: &mut Server) -> Result<Vec<u64>, Failure> {
    let sql = if server.flavour() == Flavour::MySql && server.version() >= (8, 0, 22) {
        "SHOW REPLICAS"
    } else {
        "SHOW SLAVE HOSTS"
    };
    let rows = server.rows_if_told(DOING, sql).await?.unwrap_or_default();
    Ok(rows.iter().filter_map(|row| number(row, 0)).collect())
}
