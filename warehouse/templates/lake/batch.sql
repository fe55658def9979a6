headwater_batch AS (
  SELECT
    {{ line.type }} AS headwater_type,
    {{ line.seq }} AS headwater_seq,
    {{ line.id }} AS headwater_id,
    {{ line.ts_us }} AS headwater_ts_us,
    {{ line.key }} AS headwater_key,
    {{ line.data }} AS headwater_data,
    {{ line.old }} AS headwater_old,
    l.line AS headwater_line,
    l.hour AS headwater_hour
  FROM {{ control }}."log" AS l
  WHERE {{ line.database_name }} = {{ database_literal }} AND {{ line.table_name }} = {{ table_literal }}
)
