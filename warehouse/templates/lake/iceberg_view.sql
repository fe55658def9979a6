-- The rows of {{ source }} that are there.
CREATE OR REPLACE VIEW {{ view }} AS
SELECT
  r."_seq",
  r."_ts",
  r."_lost"{% for column in columns %},
  r.{{ column.identifier }}{% endfor %}
FROM {{ rows }} AS r
WHERE NOT r."_deleted";
