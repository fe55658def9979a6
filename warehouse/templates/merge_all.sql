-- Takes what has arrived and merges it, a transaction for each table that lines have come of. Call it every minute or so, outside of a transaction:
--   CALL {{ control }}.merge_all();
CREATE OR REPLACE PROCEDURE {{ control }}.merge_all() AS $$
DECLARE
  taken_to {{ text(64) }};
  waiting BIGINT;
BEGIN
  CALL {{ control }}.take();
  SELECT MAX(seq) INTO taken_to FROM {{ control }}.whole;
  COMMIT;
{% for table in tables %}  SELECT COUNT(*) INTO waiting FROM {{ control }}.lines
  WHERE database_name = {{ table.database_literal }} AND table_name = {{ table.table_literal }};
  IF waiting > 0 THEN
    CALL {{ table.merge }}();
    COMMIT;
  END IF;
{% endfor %}  -- Every table has been merged up to what was taken.
  UPDATE {{ control }}.whole SET is_merged = TRUE WHERE seq <= taken_to;
  DELETE FROM {{ control }}.whole WHERE seq < taken_to;
  COMMIT;
END;
$$ LANGUAGE plpgsql;
