-- {{ source }}: its table, its view, its merge.
-- It may be run again. Where it has been run before and the table was altered since, see `--diff`.

CREATE SCHEMA IF NOT EXISTS {{ schema }};

-- One row for each key that was ever there. _seq is where in the log its newest change stands; _deleted says that it is
-- gone; _lost counts values that their column does not hold, and _raw has the line's values then, as they came.
CREATE TABLE IF NOT EXISTS {{ rows }} (
  "_seq" {{ text(64) }} NOT NULL,
  "_ts" TIMESTAMP,
  "_deleted" BOOLEAN NOT NULL,
  "_lost" INTEGER NOT NULL,
  "_raw" {{ document }}{% for column in columns %},
  {{ column.identifier }} {{ column.type }}{% endfor %}
){{ attributes }};
{% for statement in indexes %}
{{ statement }}
{% endfor %}
{% for column in columns %}COMMENT ON COLUMN {{ rows }}.{{ column.identifier }} IS {{ column.comment }};
{% endfor %}
-- The rows that are there.
CREATE OR REPLACE VIEW {{ view }} AS
SELECT "_seq", "_ts", "_lost"{% for column in columns %}, {{ column.identifier }}{% endfor %}
FROM {{ rows }}
WHERE NOT "_deleted";

{% include "merge.sql" %}

INSERT INTO {{ control }}.tables (database_name, table_name, applied_at, emptied_seq)
SELECT {{ database_literal }}, {{ table_literal }}, {{ now }}, ''
WHERE NOT EXISTS (
  SELECT 1 FROM {{ control }}.tables
  WHERE database_name = {{ database_literal }} AND table_name = {{ table_literal }}
);
UPDATE {{ control }}.tables SET applied_at = {{ now }}
WHERE database_name = {{ database_literal }} AND table_name = {{ table_literal }};
