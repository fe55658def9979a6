-- {{ source }}: one row for each key that was ever there. _seq is where in the log its newest change stands, _deleted says
-- that it is gone, _lost counts values that their column does not hold (the log has them).
CREATE TABLE IF NOT EXISTS {{ rows_ddl }} (
  `_seq` string,
  `_ts` timestamp,
  `_deleted` boolean,
  `_lost` int{% for column in rows_columns %},
  {{ column.name }} {{ column.type }}{% endfor %}
)
LOCATION {{ rows_location }}
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
