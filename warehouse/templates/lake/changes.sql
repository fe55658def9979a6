-- Every change of {{ source }}, in the order of "_seq", as often as it was delivered.
-- "_lost" counts values that their column does not hold, "_line" has them. "_refused": its key cannot be told, so it is not
-- among the rows.
CREATE OR REPLACE VIEW {{ rows }} AS
WITH {% include "batch.sql" %}
SELECT
  b.headwater_type AS "_type",
  b.headwater_seq AS "_seq",
  {{ ts }} AS "_ts",
  b.headwater_id AS "_id",
  b.headwater_hour AS "_hour",
  {{ lost }} AS "_lost",
  COALESCE({{ is_refused }}, FALSE) AS "_refused",
  b.headwater_line AS "_line"{% for column in columns %},
  {{ column.value }} AS {{ column.identifier }}{% endfor %}
FROM headwater_batch AS b
WHERE b.headwater_type IN ({{ row_types }});
