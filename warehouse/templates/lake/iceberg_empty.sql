-- A TRUNCATE of {{ source }} removes all that has a smaller seq, whenever it arrives. Run it before the merge.
DELETE FROM {{ rows }}
WHERE "_seq" < (SELECT MAX(l.{{ field_seq }}) FROM {{ log }} AS l WHERE l.{{ field_type }} = 'truncate');
