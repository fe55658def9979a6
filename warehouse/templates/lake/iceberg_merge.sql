-- Merges the lines of {{ source }}. The newer word wins, and an equal one is a repetition, so running it again changes nothing.
-- Lines are read from a commit time on, in microseconds since 1970. 0 reads all of them.
MERGE INTO {{ rows }} AS r
USING (
  WITH headwater_batch AS (
    SELECT
      l.{{ field_type }} AS headwater_type,
      l.{{ field_seq }} AS headwater_seq,
      l.{{ field_ts_us }} AS headwater_ts_us,
      l.{{ field_old }} AS headwater_old{% for column in columns %},
      l.{{ column.identifier }}{% endfor %}
    FROM {{ log }} AS l
    WHERE l.{{ field_ts_us }} >= 0 -- from here on
  ),
  {% set emptied %}COALESCE((
  {% include "emptied.sql" %}
  ), ''){% endset %}{% include "facts.sql" %}
  SELECT f.*
  FROM headwater_facts AS f
  WHERE f.headwater_place = 1
) AS f
ON {% for part in join %}{% if not loop.first %} AND {% endif %}r.{{ part }}{% endfor %}
WHEN MATCHED AND r."_seq" < f.headwater_seq THEN UPDATE SET
  "_seq" = f.headwater_seq,
  "_ts" = f.headwater_ts,
  "_deleted" = (f.headwater_gone = 1),
  "_lost" = f.headwater_lost{% for column in columns %}{% if not column.is_key %},
  {{ column.identifier }} = CASE WHEN f.headwater_gone = 0 THEN f.{{ column.identifier }} END{% endif %}{% endfor %}
WHEN NOT MATCHED THEN INSERT ("_seq", "_ts", "_deleted", "_lost"{% for column in columns %}, {{ column.identifier }}{% endfor %})
VALUES (
  f.headwater_seq, f.headwater_ts, (f.headwater_gone = 1), f.headwater_lost{% for column in columns %},
  {% if column.is_key %}f.{{ column.identifier }}{% else %}CASE WHEN f.headwater_gone = 0 THEN f.{{ column.identifier }} END{% endif %}{% endfor %}
);
