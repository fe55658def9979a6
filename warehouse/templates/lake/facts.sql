headwater_facts AS (
  -- What each key is. An update that moves a row says two things: its new key has it, its old key no longer does.
  -- place 1 is the newest word on a key. A TRUNCATE removes all that has a smaller seq,
  -- and so does the end of a copy of all rows: each row that MySQL has, has a line since the copy began.
  SELECT
    f.*,
    ROW_NUMBER() OVER (
      PARTITION BY {{ partition }}
      ORDER BY f.headwater_seq DESC, f.headwater_gone ASC
    ) AS headwater_place
  FROM (
    SELECT
      b.headwater_seq,
      {{ ts }} AS headwater_ts,
      CASE WHEN b.headwater_type = 'delete' OR p.headwater_part = 1 THEN 1 ELSE 0 END AS headwater_gone,
      CASE WHEN b.headwater_type = 'delete' OR p.headwater_part = 1 THEN 0 ELSE {{ lost }} END AS headwater_lost{% for column in columns %},
      {% if column.is_key %}CASE WHEN p.headwater_part = 1 THEN {{ column.moved_from }} ELSE {{ column.value }} END{% else %}{{ column.value }}{% endif %} AS {{ column.identifier }}{% endfor %}
    FROM headwater_batch AS b
    CROSS JOIN (VALUES (0), (1)) AS p (headwater_part)
    WHERE
      b.headwater_type IN ({{ row_types }})
      AND NOT COALESCE({{ is_refused }}, FALSE)
      AND (p.headwater_part = 0 OR (b.headwater_type = 'update' AND ({{ is_moved }})))
  ) AS f
  WHERE f.headwater_seq > {{ emptied }}
)
