-- Merges the lines of {{ source }} that were taken. One transaction; the same lines again change nothing.
CREATE OR REPLACE PROCEDURE {{ merge }}() AS $$
DECLARE
  merge_taken BIGINT;
  merge_refused BIGINT;
  merge_facts BIGINT;
  merge_written BIGINT;
  merge_lost BIGINT;
  merge_emptied {{ text(64) }};
BEGIN
  LOCK TABLE {{ control }}.merging;

  DROP TABLE IF EXISTS headwater_batch;
  CREATE TEMP TABLE headwater_batch AS
  SELECT l.type, l.seq,
    {{ line.id }} AS id, {{ line.ts_us }} AS ts_us, {{ line.position }} AS position, {{ line.gtid }} AS gtid,
    {{ line.key }} AS line_key, {{ line.data }} AS line_data, {{ line.old }} AS line_old, l.line,
    CASE WHEN {{ is_refused }} THEN 1 ELSE 0 END AS is_refused
  FROM {{ control }}.lines l
  WHERE l.database_name = {{ database_literal }} AND l.table_name = {{ table_literal }};
  SELECT COUNT(*) INTO merge_taken FROM headwater_batch;
  IF merge_taken = 0 THEN
    RETURN;
  END IF;
  DELETE FROM {{ control }}.lines
  WHERE database_name = {{ database_literal }} AND table_name = {{ table_literal }};

  -- What no row can be found by.
  INSERT INTO {{ control }}.rejected (database_name, table_name, reason, rejected_at, line)
  SELECT {{ database_literal }}, {{ table_literal }},
    CASE WHEN b.type IN ({{ row_types }}) THEN 'its key cannot be told' ELSE 'of an unknown type' END, {{ now }}, b.line
  FROM headwater_batch b
  WHERE b.is_refused = 1;
  GET DIAGNOSTICS merge_refused := ROW_COUNT;
  DELETE FROM headwater_batch WHERE is_refused = 1;

  -- A TRUNCATE removes all that has a smaller seq, whenever it arrives. So does the end of a copy of all rows: each
  -- row that MySQL has, has a line since the copy began.
  SELECT MAX(CASE WHEN b.type = 'truncate' THEN b.seq ELSE {{ line.begin_seq }} END) INTO merge_emptied
  FROM headwater_batch b
  WHERE b.type IN ('truncate', 'snapshot_end');
  IF merge_emptied IS NOT NULL THEN
    UPDATE {{ control }}.tables SET emptied_seq = merge_emptied
    WHERE database_name = {{ database_literal }} AND table_name = {{ table_literal }} AND emptied_seq < merge_emptied;
    DELETE FROM {{ rows }} WHERE "_seq" < merge_emptied;
  END IF;
  SELECT MAX(t.emptied_seq) INTO merge_emptied FROM {{ control }}.tables t
  WHERE t.database_name = {{ database_literal }} AND t.table_name = {{ table_literal }};

  -- What each key is. An update that moves a row says two things: its new key has it, its old key no longer does.
  -- place 1 is the newest word on a key.
  DROP TABLE IF EXISTS headwater_facts;
  CREATE TEMP TABLE headwater_facts AS
  SELECT f.*,
    ROW_NUMBER() OVER (PARTITION BY {{ partition }} ORDER BY f.headwater_seq DESC, f.headwater_gone) AS headwater_place
  FROM (
    SELECT b.seq AS headwater_seq, {{ ts }} AS headwater_ts,
      CASE WHEN b.type = 'delete' THEN 1 ELSE 0 END AS headwater_gone,
      {{ lost }} AS headwater_lost, b.line_data AS headwater_data{% for column in columns %},
      {{ column.value }} AS {{ column.identifier }}{% endfor %}
    FROM headwater_batch b
    WHERE b.type IN ({{ row_types }})
    UNION ALL
    SELECT b.seq, {{ ts }}, 1, 0, NULL{% for column in columns %},
      {{ column.moved_from }}{% endfor %}
    FROM headwater_batch b
    WHERE b.type = 'update' AND ({{ is_moved }})
  ) f
  WHERE f.headwater_seq > merge_emptied;
  SELECT COUNT(*), COALESCE(SUM(CASE WHEN headwater_place = 1 AND headwater_gone = 0 THEN headwater_lost END), 0)
  INTO merge_facts, merge_lost FROM headwater_facts;

  -- The newer word wins; an equal one is a repetition.
  DROP TABLE IF EXISTS headwater_newer;
  CREATE TEMP TABLE headwater_newer AS
  SELECT f.*
  FROM headwater_facts f LEFT JOIN {{ rows }} r ON r."_seq" >= f.headwater_seq{% for part in join %} AND r.{{ part }}{% endfor %}
  WHERE f.headwater_place = 1 AND r."_seq" IS NULL;
  DELETE FROM {{ rows }} USING headwater_newer f
  WHERE {% for part in join %}{% if not loop.first %} AND {% endif %}{{ rows_name }}.{{ part }}{% endfor %};
  INSERT INTO {{ rows }} ("_seq", "_ts", "_deleted", "_lost", "_raw"{% for column in columns %}, {{ column.identifier }}{% endfor %})
  SELECT f.headwater_seq, f.headwater_ts, f.headwater_gone = 1,
    CASE WHEN f.headwater_gone = 0 THEN f.headwater_lost ELSE 0 END,
    CASE WHEN f.headwater_gone = 0 AND f.headwater_lost > 0 THEN f.headwater_data END{% for column in columns %},
    {% if column.is_key %}f.{{ column.identifier }}{% else %}CASE WHEN f.headwater_gone = 0 THEN f.{{ column.identifier }} END{% endif %}{% endfor %}
  FROM headwater_newer f;
  GET DIAGNOSTICS merge_written := ROW_COUNT;

  INSERT INTO {{ control }}.statements (id, database_name, table_name, seq, position, merged_at, statement)
  SELECT DISTINCT b.id, {{ database_literal }}, {{ table_literal }}, b.seq, b.position, {{ now }}, {{ line.statement }}
  FROM headwater_batch b LEFT JOIN {{ control }}.statements s ON s.id = b.id
  WHERE b.type = 'ddl' AND s.id IS NULL;

  INSERT INTO {{ control }}.copies (id, database_name, table_name, run, seq, position, row_count)
  SELECT DISTINCT b.id, {{ database_literal }}, {{ table_literal }}, {{ line.run }}, b.seq, b.position, {{ line.rows }}
  FROM headwater_batch b LEFT JOIN {{ control }}.copies c ON c.id = b.id
  WHERE b.type = 'snapshot_end' AND c.id IS NULL;

  -- How far the table is merged. A lane has all its lines in the order of seq, so each line says what came before it.
  DROP TABLE IF EXISTS headwater_lanes;
  CREATE TEMP TABLE headwater_lanes AS
  SELECT n.* FROM (
    SELECT m.*, ROW_NUMBER() OVER (PARTITION BY m.lane, m.lanes ORDER BY m.seq DESC) AS place
    FROM (
      SELECT COALESCE({{ line.lane }}, 0) AS lane, COALESCE({{ line.lanes }}, 1) AS lanes,
        b.seq, b.position, b.gtid, b.ts_us
      FROM headwater_batch b
      WHERE b.type IN ({{ ordered_types }})
    ) m
  ) n
  WHERE n.place = 1;
  DELETE FROM {{ control }}.lanes USING headwater_lanes n
  WHERE lanes.database_name = {{ database_literal }} AND lanes.table_name = {{ table_literal }}
    AND lanes.lane = n.lane AND lanes.lanes = n.lanes AND lanes.seq < n.seq;
  INSERT INTO {{ control }}.lanes (database_name, table_name, lane, lanes, seq, position, gtid, ts_us)
  SELECT {{ database_literal }}, {{ table_literal }}, n.lane, n.lanes, n.seq, n.position, n.gtid, n.ts_us
  FROM headwater_lanes n LEFT JOIN {{ control }}.lanes o
    ON o.database_name = {{ database_literal }} AND o.table_name = {{ table_literal }}
    AND o.lane = n.lane AND o.lanes = n.lanes
  WHERE o.seq IS NULL;

  INSERT INTO {{ control }}.merges (database_name, table_name, merged_at, lines_taken, lines_rejected, rows_written,
    rows_ignored, values_lost)
  VALUES ({{ database_literal }}, {{ table_literal }}, {{ now }}, merge_taken, merge_refused, merge_written,
    merge_facts - merge_written, merge_lost);
END;
$$ LANGUAGE plpgsql{{ procedure_settings }};
