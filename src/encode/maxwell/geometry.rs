//! Geometry as well-known text, in the spelling of JTS: `POINT (1 2)`, `MULTIPOINT ((1 2), (3 4))`.
//!
//! MySQL stores four bytes of SRID and well-known binary (OGC 06-103r4, 8.2), each part with its own byte
//! order. The SRID is not part of the text. Coordinates are written in full, without an exponent.

use std::io::Write;

use headwater_binlog::Error;

/// MySQL nests collections; nobody nests them deeper than this.
const DEPTH_MAX: usize = 64;
const SRID_BYTES: usize = 4;

/// Appends the text of MySQL's bytes.
pub(super) fn write_wkt(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let rest = bytes.get(SRID_BYTES..).ok_or_else(short)?;
    let mut reader = Reader {
        rest,
        is_little: true,
    };
    write_geometry(&mut reader, Tag::Shown, 0, out)?;
    if !reader.rest.is_empty() {
        return Err(malformed("bytes after its end"));
    }
    Ok(())
}

/// Inside MULTI... the parts' names go without saying.
#[derive(Clone, Copy, PartialEq)]
enum Tag {
    Shown,
    Hidden,
}

struct Reader<'a> {
    rest: &'a [u8],
    is_little: bool,
}

impl Reader<'_> {
    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Error> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(short)?;
        self.rest = rest;
        let mut bytes: [u8; BYTES] = *bytes;
        if !self.is_little {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_le_bytes)
    }

    /// Byte order and type.
    fn head(&mut self) -> Result<u32, Error> {
        self.is_little = match self.take()? {
            [0] => false,
            [1] => true,
            _ => return Err(malformed("a byte order that is neither 0 nor 1")),
        };
        self.number()
    }

    fn point(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        for separator in [&b""[..], b" "] {
            let ordinate = self.take().map(f64::from_le_bytes)?;
            out.extend_from_slice(separator);
            if !ordinate.is_finite() {
                return Err(malformed("a coordinate that is not finite"));
            }
            write!(out, "{ordinate}").map_err(|_| malformed("no room"))?;
        }
        Ok(())
    }
}

fn write_geometry(
    reader: &mut Reader<'_>,
    tag: Tag,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(malformed("collections nested too deep"));
    }
    let kind = reader.head()?;
    let name: &[u8] = match kind {
        1 => b"POINT ",
        2 => b"LINESTRING ",
        3 => b"POLYGON ",
        4 => b"MULTIPOINT ",
        5 => b"MULTILINESTRING ",
        6 => b"MULTIPOLYGON ",
        7 => b"GEOMETRYCOLLECTION ",
        other => return Err(malformed(format_args!("type {other}"))),
    };
    if tag == Tag::Shown {
        out.extend_from_slice(name);
    }
    match kind {
        1 => {
            out.push(b'(');
            reader.point(out)?;
            out.push(b')');
            Ok(())
        }
        2 => write_list(reader, out, |reader, out| reader.point(out)),
        3 => write_list(reader, out, |reader, out| {
            write_list(reader, out, |reader, out| reader.point(out))
        }),
        _ => {
            let tag = if kind == 7 { Tag::Shown } else { Tag::Hidden };
            write_list(reader, out, |reader, out| {
                write_geometry(reader, tag, depth + 1, out)
            })
        }
    }
}

/// A count and so many parts.
fn write_list<'a>(
    reader: &mut Reader<'a>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut Reader<'a>, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let count = reader.number()?;
    if count == 0 {
        out.extend_from_slice(b"EMPTY");
        return Ok(());
    }
    out.push(b'(');
    for index in 0..count {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(reader, out)?;
    }
    out.push(b')');
    Ok(())
}

#[cold]
fn short() -> Error {
    malformed("ends too early")
}

#[cold]
fn malformed(found: impl std::fmt::Display) -> Error {
    Error::malformed("GEOMETRY", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> Vec<u8> {
        [&[1, 1, 0, 0, 0][..], &x.to_le_bytes(), &y.to_le_bytes()].concat()
    }

    fn part(kind: u8, count: u32, parts: &[u8]) -> Vec<u8> {
        [&[1, kind, 0, 0, 0][..], &count.to_le_bytes(), parts].concat()
    }

    fn text(wkb: &[u8]) -> Result<String, Error> {
        let mut out = Vec::new();
        write_wkt(&[&[0xe6, 0x10, 0, 0], wkb].concat(), &mut out)?;
        Ok(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn every_kind_is_spelled_as_jts_does() {
        assert_eq!(text(&point(1.0, -2.5)).as_deref(), Ok("POINT (1 -2.5)"));
        let coordinates = |points: &[(f64, f64)]| -> Vec<u8> {
            let bytes = |(x, y): &(f64, f64)| [x.to_le_bytes(), y.to_le_bytes()].concat();
            points.iter().flat_map(bytes).collect()
        };
        let line = part(2, 2, &coordinates(&[(0.0, 0.1), (1e300, 1e-7)]));
        let written = text(&line).expect("a line");
        assert!(written.starts_with("LINESTRING (0 0.1, 1000"), "{written}");
        assert!(written.ends_with("000 0.0000001)"), "{written}");
        let ring = [
            &4_u32.to_le_bytes()[..],
            &coordinates(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]),
        ]
        .concat();
        let polygon = part(3, 2, &[&ring[..], &ring].concat());
        let ring_text = "(0 0, 1 0, 1 1, 0 0)";
        let polygon_text = format!("({ring_text}, {ring_text})");
        assert_eq!(text(&polygon), Ok(format!("POLYGON {polygon_text}")));
        let points = part(4, 2, &[point(1.0, 2.0), point(3.0, 4.0)].concat());
        assert_eq!(text(&points).as_deref(), Ok("MULTIPOINT ((1 2), (3 4))"));
        let short_line = part(2, 2, &coordinates(&[(0.0, 0.0), (1.0, 1.0)]));
        assert_eq!(
            text(&part(5, 1, &short_line)).as_deref(),
            Ok("MULTILINESTRING ((0 0, 1 1))")
        );
        assert_eq!(
            text(&part(6, 1, &polygon)),
            Ok(format!("MULTIPOLYGON ({polygon_text})"))
        );
        let empty = part(7, 0, &[]);
        let collection = part(7, 3, &[point(1.0, 2.0), short_line, empty].concat());
        assert_eq!(
            text(&collection).as_deref(),
            Ok("GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1), GEOMETRYCOLLECTION EMPTY)")
        );
    }

    #[test]
    fn each_part_has_its_own_byte_order() {
        let mut big = vec![0, 0, 0, 0, 1];
        big.extend(3.0_f64.to_be_bytes());
        big.extend(4.0_f64.to_be_bytes());
        let both = part(4, 2, &[big, point(1.0, 2.0)].concat());
        // The count stands in front of the parts, in the order of the whole.
        assert_eq!(text(&both).as_deref(), Ok("MULTIPOINT ((3 4), (1 2))"));
    }

    #[test]
    fn what_is_no_geometry_is_an_error() {
        let mut deep = Vec::new();
        for _ in 0..100 {
            deep = part(7, 1, &deep);
        }
        let too_many = part(7, u32::MAX, &point(1.0, 2.0));
        let unknown = part(8, 0, &[]);
        for wkb in [
            &[][..],
            &[2],
            &[1, 1, 0, 0, 0],
            &deep,
            &too_many,
            &unknown,
            &point(f64::NAN, 0.0),
            &[point(1.0, 2.0), vec![0]].concat(),
        ] {
            assert!(text(wkb).is_err(), "{wkb:?}");
        }
        assert!(write_wkt(&[0, 0], &mut Vec::new()).is_err());
    }
}
