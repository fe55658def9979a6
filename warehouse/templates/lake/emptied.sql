SELECT MAX(CASE WHEN l.{{ field_type }} = 'truncate' THEN l.{{ field_seq }} ELSE l.{{ field_begin_seq }} END)
  FROM {{ log }} AS l
  WHERE l.{{ field_type }} IN ('truncate', 'snapshot_end')