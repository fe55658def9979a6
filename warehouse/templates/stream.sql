-- Streaming ingestion: Redshift reads the Kinesis stream itself. Run once, after the schema is there.
--   packing.type = "{{ stream.packing }}": one record is one JSON document.
-- The role reads the stream: kinesis:DescribeStreamSummary, DescribeStream, GetShardIterator, GetRecords on it,
-- ListShards and ListStreams.

CREATE SCHEMA IF NOT EXISTS {{ control }};
CREATE EXTERNAL SCHEMA IF NOT EXISTS {{ stream.schema }} FROM KINESIS IAM_ROLE {{ stream.role }};

-- Strings of up to 16,000,000 bytes in SUPER, for who refreshes the view and who merges; without it 65,535.
SET enable_large_strings_opt_in TO true;
SET enable_case_sensitive_identifier TO true;

CREATE MATERIALIZED VIEW {{ control }}.stream AUTO REFRESH YES AS
SELECT shard_id, sequence_number, approximate_arrival_timestamp, JSON_PARSE(kinesis_data) AS record
FROM {{ stream.schema }}.{{ stream.name }}
WHERE CAN_JSON_PARSE(kinesis_data);

-- What is no JSON is no line of Headwater: it is kept here.
CREATE MATERIALIZED VIEW {{ control }}.stream_rejected AUTO REFRESH YES AS
SELECT shard_id, sequence_number, approximate_arrival_timestamp, kinesis_data
FROM {{ stream.schema }}.{{ stream.name }}
WHERE NOT CAN_JSON_PARSE(kinesis_data);

-- Up to which record of each shard lines were taken.
CREATE TABLE IF NOT EXISTS {{ control }}.shards (
  shard_id {{ text(128) }} NOT NULL,
  sequence_number {{ text(128) }} NOT NULL
);
