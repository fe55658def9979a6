-- All tables together: every change with a smaller seq, which is every change before this position, was delivered to the
-- stream. Firehose keeps no order, so for as long as it retries, an older line may still be on its way.
-- Needs native.heartbeat_secs.
CREATE OR REPLACE VIEW {{ control }}."complete_to" AS
SELECT
  MAX(c.seq) AS "seq",
  MAX_BY(c.position, c.seq) AS "position"
FROM (
  SELECT
    {{ line.complete_seq }} AS seq,
    {{ line.complete_position }} AS position
  FROM {{ control }}."log" AS l
  WHERE {{ line.type }} = 'heartbeat'
) AS c
WHERE c.seq IS NOT NULL;
