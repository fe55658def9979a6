-- What is no line of Headwater, or of a type that this SQL does not know. Rows whose key cannot be told are "_refused" in
-- the changes of their table.
CREATE OR REPLACE VIEW {{ control }}."rejected" AS
SELECT
  l.hour AS "hour",
  l.line AS "line"
FROM {{ control }}."log" AS l
WHERE
  {{ line.database_name }} IS NULL OR {{ line.table_name }} IS NULL OR {{ line.seq }} IS NULL
  OR COALESCE({{ line.type }}, '') NOT IN ({{ types }});
