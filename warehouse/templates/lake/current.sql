-- The rows of {{ source }} as MySQL has them, as far as the log goes. Each query reads the whole log of all tables, twice.
CREATE OR REPLACE VIEW {{ view }} AS
WITH {% include "batch.sql" %},
{% set emptied %}COALESCE((
    SELECT MAX(CASE WHEN {{ line.type }} = 'truncate' THEN {{ line.seq }} ELSE {{ line.begin_seq }} END)
    FROM {{ control }}."log" AS l
    WHERE
      {{ line.database_name }} = {{ database_literal }} AND {{ line.table_name }} = {{ table_literal }}
      AND {{ line.type }} IN ('truncate', 'snapshot_end')
  ), ''){% endset %}{% include "facts.sql" %}
SELECT
  f.headwater_seq AS "_seq",
  f.headwater_ts AS "_ts",
  f.headwater_lost AS "_lost"{% for column in columns %},
  f.{{ column.identifier }}{% endfor %}
FROM headwater_facts AS f
WHERE f.headwater_place = 1 AND f.headwater_gone = 0;
