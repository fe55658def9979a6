-- The log: each line that Firehose wrote, as it came. A line has no control character, so it is one column.
-- Athena knows the hours without being told. A query that names hour reads only those.
CREATE EXTERNAL TABLE IF NOT EXISTS {{ control_ddl }}.`log` (
  `line` string
)
PARTITIONED BY (`hour` string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\001' LINES TERMINATED BY '\n'
LOCATION '{{ log_location }}'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.hour.type' = 'date',
  'projection.hour.format' = 'yyyy/MM/dd/HH',
  'projection.hour.range' = '{{ since }},NOW',
  'projection.hour.interval' = '1',
  'projection.hour.interval.unit' = 'HOURS',
  'storage.location.template' = '{{ log_location }}${hour}/'
);
