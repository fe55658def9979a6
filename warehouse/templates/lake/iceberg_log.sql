-- The lines of {{ source }}, as Firehose appends them: a column for each top-level key of a flat line, of the type that it
-- has there. Keys without a column are passed over.
CREATE TABLE IF NOT EXISTS {{ log_ddl }} (
{% for column in log_columns %}  {{ column.name }} {{ column.type }}{% if not loop.last %},{% endif %}
{% endfor %})
LOCATION {{ log_location }}
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
