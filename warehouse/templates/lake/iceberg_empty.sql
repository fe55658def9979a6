-- A TRUNCATE of {{ source }} removes all that has a smaller seq, whenever it arrives. So does the end of a copy of all rows,
-- from where it began. Run it before the merge.
DELETE FROM {{ rows }}
WHERE "_seq" < (
  {% include "emptied.sql" %}
);
