-- Casts that give NULL where PostgreSQL's own would be an error, as Redshift's out of SUPER do.
CREATE SCHEMA IF NOT EXISTS headwater_cast;

CREATE OR REPLACE FUNCTION headwater_cast.to_integer(value TEXT, bytes INTEGER) RETURNS NUMERIC AS $$
  SELECT CASE WHEN value ~ '^-?[0-9]{1,20}$' THEN
    CASE WHEN value::NUMERIC BETWEEN -(2::NUMERIC ^ (8 * bytes - 1)) AND 2::NUMERIC ^ (8 * bytes - 1) - 1
      THEN value::NUMERIC END
  END
$$ LANGUAGE sql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_numeric(value TEXT, digits INTEGER, decimals INTEGER)
RETURNS NUMERIC AS $$
  SELECT CASE WHEN value ~ '^-?[0-9]+([.][0-9]+)?$' THEN
    CASE WHEN ABS(value::NUMERIC) < 10::NUMERIC ^ (digits - decimals) AND SCALE(value::NUMERIC) <= decimals
      THEN value::NUMERIC END
  END
$$ LANGUAGE sql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_double(value TEXT) RETURNS DOUBLE PRECISION AS $$
BEGIN
  RETURN value::DOUBLE PRECISION;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_real(value TEXT) RETURNS REAL AS $$
BEGIN
  RETURN value::REAL;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_date(value TEXT) RETURNS DATE AS $$
BEGIN
  RETURN CASE WHEN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN value::DATE END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_timestamp(value TEXT) RETURNS TIMESTAMP AS $$
BEGIN
  RETURN CASE WHEN value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+$' THEN value::TIMESTAMP END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

-- PostgreSQL's functions refuse a document with U+0000 in any of its strings. Another character stands for it meanwhile:
-- U+E000, which lines have as it is and never escaped.
CREATE OR REPLACE FUNCTION headwater_cast.member_of_nul(source JSON, name TEXT) RETURNS JSON AS $$
  SELECT REGEXP_REPLACE(
    (REGEXP_REPLACE(source::TEXT, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ue000', 'g')::JSON -> name)::TEXT,
    '(?<!\\)((?:\\\\)*)\\ue000', '\1\\u0000', 'g')::JSON
$$ LANGUAGE sql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.member(source JSON, name TEXT) RETURNS JSON AS $$
  SELECT CASE WHEN POSITION('\u0000' IN source::TEXT) = 0 THEN source -> name
    ELSE headwater_cast.member_of_nul(source, name) END
$$ LANGUAGE sql IMMUTABLE;

-- A scalar as text; nothing of a text with U+0000, which PostgreSQL's cannot have.
CREATE OR REPLACE FUNCTION headwater_cast.to_text(value JSON) RETURNS TEXT AS $$
BEGIN
  RETURN value #>> '{}';
EXCEPTION WHEN untranslatable_character THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.member_text(source JSON, name TEXT) RETURNS TEXT AS $$
  SELECT CASE WHEN POSITION('\u0000' IN source::TEXT) = 0 THEN source ->> name
    ELSE headwater_cast.to_text(headwater_cast.member_of_nul(source, name)) END
$$ LANGUAGE sql IMMUTABLE;

-- A string, cut to so many bytes between two characters; numbers as they are written; nothing of an object.
CREATE OR REPLACE FUNCTION headwater_cast.to_varchar(value JSON, bytes INTEGER) RETURNS TEXT AS $$
DECLARE
  whole TEXT;
  part TEXT;
BEGIN
  IF JSON_TYPEOF(value) IN ('object', 'array', 'null') THEN
    RETURN NULL;
  END IF;
  whole := CASE WHEN POSITION('\u0000' IN value::TEXT) = 0 THEN value #>> '{}' ELSE headwater_cast.to_text(value) END;
  part := LEFT(whole, bytes);
  WHILE OCTET_LENGTH(part) > bytes LOOP
    part := LEFT(part, GREATEST(LENGTH(part) - GREATEST((OCTET_LENGTH(part) - bytes) / 4, 1), 0));
  END LOOP;
  RETURN part;
END;
$$ LANGUAGE plpgsql IMMUTABLE;

CREATE OR REPLACE FUNCTION headwater_cast.to_bytes(value TEXT, bytes INTEGER) RETURNS BYTEA AS $$
BEGIN
  RETURN CASE WHEN OCTET_LENGTH(DECODE(value, 'base64')) <= bytes THEN DECODE(value, 'base64') END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END;
$$ LANGUAGE plpgsql IMMUTABLE;
