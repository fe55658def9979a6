-- Statements from the log. After an ALTER: `headwater warehouse {{ dialect }} --diff`.
CREATE OR REPLACE VIEW {{ control }}."statements" AS
SELECT
  {{ line.database_name }} AS "database_name",
  {{ line.table_name }} AS "table_name",
  {{ line.type }} AS "type",
  {{ line.seq }} AS "seq",
  {{ line.position }} AS "position",
  {{ line.statement }} AS "statement",
  l.hour AS "hour"
FROM {{ control }}."log" AS l
WHERE {{ line.type }} IN ('ddl', 'truncate');
