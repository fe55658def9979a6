-- What all tables share: where lines arrive, and what is known of each table.
-- Run once, before the tables; it may be run again.

CREATE SCHEMA IF NOT EXISTS {{ control }};
{% if dialect == "postgres" %}
{% include "casts.sql" %}
{% endif %}
{% if not stream %}-- Lines as they came: one line of the stream in each row. Firehose's COPY fills it.
CREATE TABLE IF NOT EXISTS {{ control }}.incoming (
  line {{ document }}
);
{% endif %}
-- Lines that were taken from there and wait for the merge of their table. Those of a table that has none wait on.
CREATE TABLE IF NOT EXISTS {{ control }}.lines (
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  type {{ text(16) }} NOT NULL,
  seq {{ text(64) }} NOT NULL,
  line {{ document }}
){% if dialect == "redshift" %} SORTKEY (database_name, table_name){% endif %};

-- What is no line of Headwater, or has no key that a row can be found by. Nothing is thrown away.
CREATE TABLE IF NOT EXISTS {{ control }}.rejected (
  database_name {{ text(256) }},
  table_name {{ text(256) }},
  reason {{ text(256) }} NOT NULL,
  rejected_at TIMESTAMP NOT NULL,
  line {{ document }}
);

-- The tables that are merged. Of each the seq below which all is gone, also what arrives later: that of its last TRUNCATE,
-- or of where its last copy of all rows began.
CREATE TABLE IF NOT EXISTS {{ control }}.tables (
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  applied_at TIMESTAMP NOT NULL,
  emptied_seq {{ text(64) }} NOT NULL
);

-- Statements from the log, until the SQL that was generated after them has been applied.
CREATE TABLE IF NOT EXISTS {{ control }}.statements (
  id {{ text(1024) }} NOT NULL,
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  seq {{ text(64) }} NOT NULL,
  position {{ text(512) }},
  merged_at TIMESTAMP NOT NULL,
  statement {{ text(65535) }}
);

-- Copies of whole tables that have ended: a snapshot_end line each.
CREATE TABLE IF NOT EXISTS {{ control }}.copies (
  id {{ text(1024) }} NOT NULL,
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  run {{ text(256) }},
  seq {{ text(64) }} NOT NULL,
  position {{ text(512) }},
  row_count BIGINT
);

-- How far each lane of each table is merged: all of it that has a smaller seq.
CREATE TABLE IF NOT EXISTS {{ control }}.lanes (
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  lane INTEGER NOT NULL,
  lanes INTEGER NOT NULL,
  seq {{ text(64) }} NOT NULL,
  position {{ text(512) }},
  gtid {{ text(512) }},
  ts_us BIGINT
);

-- How far all tables together were taken, and then merged: all that has a smaller seq.
CREATE TABLE IF NOT EXISTS {{ control }}.whole (
  seq {{ text(64) }} NOT NULL,
  position {{ text(512) }},
  is_merged BOOLEAN NOT NULL
);

-- What each merge did. Prune it as you like.
CREATE TABLE IF NOT EXISTS {{ control }}.merges (
  database_name {{ text(256) }} NOT NULL,
  table_name {{ text(256) }} NOT NULL,
  merged_at TIMESTAMP NOT NULL,
  lines_taken BIGINT NOT NULL,
  lines_rejected BIGINT NOT NULL,
  rows_written BIGINT NOT NULL,
  rows_ignored BIGINT NOT NULL,
  values_lost BIGINT NOT NULL
);

-- Empty. Who takes or merges holds its lock, so there is one at a time.
CREATE TABLE IF NOT EXISTS {{ control }}.merging (nothing INTEGER);

{% if stream %}-- Moves lines from the records of the stream to lines, each record once.
CREATE OR REPLACE PROCEDURE {{ control }}.take() AS $$
BEGIN
  LOCK TABLE {{ control }}.merging;

  DROP TABLE IF EXISTS headwater_records;
  CREATE TEMP TABLE headwater_records AS
  SELECT m.shard_id, m.sequence_number, m.record
  FROM {{ control }}.stream m LEFT JOIN {{ control }}.shards s ON s.shard_id = m.shard_id
  WHERE s.sequence_number IS NULL OR LEN(m.sequence_number) > LEN(s.sequence_number)
    OR (LEN(m.sequence_number) = LEN(s.sequence_number) AND m.sequence_number > s.sequence_number);
  DROP TABLE IF EXISTS headwater_taken;
  CREATE TEMP TABLE headwater_taken AS
{% if stream.is_array %}  SELECT l AS line FROM headwater_records r, r.record l;
{% else %}  SELECT r.record AS line FROM headwater_records r;
{% endif %}{% else %}-- Moves lines from incoming to lines. COPY waits meanwhile, so nothing is deleted that was not taken.
CREATE OR REPLACE PROCEDURE {{ control }}.take() AS $$
BEGIN
  LOCK TABLE {{ control }}.merging;
  LOCK TABLE {{ control }}.incoming;
{% endif %}
  INSERT INTO {{ control }}.rejected (database_name, table_name, reason, rejected_at, line)
  SELECT {{ line.database_name }}, {{ line.table_name }}, 'not a line of Headwater with database, table, type and seq',
    {{ now }}, i.line
  FROM {{ taken }} i
  WHERE {{ line.database_name }} IS NULL OR {{ line.table_name }} IS NULL OR {{ line.type }} IS NULL OR {{ line.seq }} IS NULL;

  INSERT INTO {{ control }}.lines (database_name, table_name, type, seq, line)
  SELECT {{ line.database_name }}, {{ line.table_name }}, {{ line.type }}, {{ line.seq }}, i.line
  FROM {{ taken }} i
  WHERE {{ line.database_name }} IS NOT NULL AND {{ line.table_name }} <> '' AND {{ line.type }} IS NOT NULL
    AND {{ line.seq }} IS NOT NULL;

  -- Statements about a whole database have no table.
  INSERT INTO {{ control }}.statements (id, database_name, table_name, seq, position, merged_at, statement)
  SELECT DISTINCT {{ line.id }}, {{ line.database_name }}, '', {{ line.seq }}, {{ line.position }}, {{ now }},
    {{ line.statement }}
  FROM {{ taken }} i LEFT JOIN {{ control }}.statements s ON s.id = {{ line.id }}
  WHERE {{ line.database_name }} IS NOT NULL AND {{ line.table_name }} = '' AND {{ line.id }} IS NOT NULL
    AND {{ line.type }} = 'ddl' AND {{ line.seq }} IS NOT NULL AND s.id IS NULL;

  INSERT INTO {{ control }}.whole (seq, position, is_merged)
  SELECT DISTINCT {{ line.complete_seq }}, {{ line.complete_position }}, FALSE
  FROM {{ taken }} i
  WHERE {{ line.complete_seq }} IS NOT NULL
    AND {{ line.complete_seq }} > COALESCE((SELECT MAX(w.seq) FROM {{ control }}.whole w), '');

{% if stream %}  DROP TABLE IF EXISTS headwater_reached;
  CREATE TEMP TABLE headwater_reached AS
  SELECT n.shard_id, n.sequence_number FROM (
    SELECT r.shard_id, r.sequence_number,
      ROW_NUMBER() OVER (PARTITION BY r.shard_id ORDER BY LEN(r.sequence_number) DESC, r.sequence_number DESC) AS place
    FROM headwater_records r
  ) n
  WHERE n.place = 1;
  DELETE FROM {{ control }}.shards USING headwater_reached n WHERE shards.shard_id = n.shard_id;
  INSERT INTO {{ control }}.shards (shard_id, sequence_number)
  SELECT n.shard_id, n.sequence_number FROM headwater_reached n;
  -- The view keeps what it has read until it is deleted.
  DELETE FROM {{ control }}.stream USING headwater_records r
  WHERE stream.shard_id = r.shard_id AND stream.sequence_number = r.sequence_number;
{% else %}  DELETE FROM {{ control }}.incoming;
{% endif %}END;
$$ LANGUAGE plpgsql{{ procedure_settings }};
