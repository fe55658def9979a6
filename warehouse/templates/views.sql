-- What to ask before a report is believed.

-- All tables together: every change with a smaller seq, which is every change before this position, is merged. A report
-- over several tables is as of then. Needs native.heartbeat_secs.
CREATE OR REPLACE VIEW {{ control }}.complete_to AS
SELECT MAX(seq) AS seq, MAX(position) AS position
FROM {{ control }}.whole
WHERE is_merged AND seq = (SELECT MAX(seq) FROM {{ control }}.whole WHERE is_merged);

-- The same of each table. One with several lanes is as far as the slowest of them.
CREATE OR REPLACE VIEW {{ control }}.complete_to_by_table AS
SELECT database_name, table_name, seq, position, gtid, ts_us
FROM (
  SELECT p.*, ROW_NUMBER() OVER (PARTITION BY p.database_name, p.table_name ORDER BY p.seq) AS place
  FROM (
    SELECT l.*,
      COUNT(*) OVER (PARTITION BY l.database_name, l.table_name, l.lanes) AS known,
      FIRST_VALUE(l.lanes) OVER (PARTITION BY l.database_name, l.table_name ORDER BY l.seq DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS lanes_now
    FROM {{ control }}.lanes l
  ) p
  WHERE p.lanes = p.lanes_now AND p.known = p.lanes
) q
WHERE q.place = 1;

-- Statements that the generated SQL does not know yet: run `headwater warehouse {{ dialect }} --diff`.
CREATE OR REPLACE VIEW {{ control }}.pending_statements AS
SELECT s.database_name, s.table_name, s.seq, s.position, s.merged_at, s.statement
FROM {{ control }}.statements s JOIN (
  SELECT database_name, table_name, applied_at FROM {{ control }}.tables
  UNION ALL
  SELECT database_name, '', MIN(applied_at) FROM {{ control }}.tables GROUP BY database_name
) t
  ON t.database_name = s.database_name AND t.table_name = s.table_name
WHERE s.merged_at >= t.applied_at;

-- Tables that lines arrive of, and that have no table here. Their lines wait.
CREATE OR REPLACE VIEW {{ control }}.pending_tables AS
SELECT l.database_name, l.table_name, COUNT(*) AS lines
FROM {{ control }}.lines l LEFT JOIN {{ control }}.tables t
  ON t.database_name = l.database_name AND t.table_name = l.table_name
WHERE t.database_name IS NULL
GROUP BY l.database_name, l.table_name;

-- Rows with a value that their column does not hold: `_raw` has it.
CREATE OR REPLACE VIEW {{ control }}.lossy_rows AS
{% for table in tables %}{% if not loop.first %}UNION ALL
{% endif %}SELECT {{ table.database_literal }}{{ text_cast }} AS database_name, {{ table.table_literal }}{{ text_cast }} AS table_name, COUNT(*) AS row_count
FROM {{ table.rows }} WHERE "_lost" > 0 AND NOT "_deleted"
{% else %}SELECT ''{{ text_cast }} AS database_name, ''{{ text_cast }} AS table_name, 0 AS row_count WHERE FALSE
{% endfor %};
