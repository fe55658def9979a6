//! Up to where a lane is complete: its position as a field and as `seq`, which sorts behind all before it. Up to where
//! all lanes are: the same in two fields more.
//!
//! It is no change: it has no `id`, and nothing is repeated for it.

use headwater_actors::ports::encoder::HeartbeatEvent;
use headwater_binlog::{
    Error,
    json::escape_json,
    position::{Position, SeqPlace},
};

use super::{
    super::value,
    NativeField,
    layout::Layout,
    names::Name,
    origin::{self, Numbering},
};

/// On an error `out` is as it was.
pub(super) fn write(
    layout: &Layout,
    event: &HeartbeatEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let (lane, position) = (event.lane, &event.heartbeat.position);
    Numbering::Transaction.ensure_sortable(position.file.number, 0)?;
    layout.write_type("heartbeat", out);
    layout.write_names(&lane.table.database, &lane.table.table, out);
    if lane.count > 1 {
        layout.write_label(Name::Lane, out);
        value::write_integer(lane.index, out);
        layout.write_label(Name::Lanes, out);
        value::write_integer(lane.count, out);
    }
    if layout.has(NativeField::TsUs) && event.heartbeat.commit_us > 0 {
        layout.write_label(Name::TsUs, out);
        value::write_integer(event.heartbeat.commit_us, out);
    }
    write_place(
        layout,
        event.epoch,
        position,
        [Name::Seq, Name::Position],
        out,
    );
    if let Some(complete) = &event.heartbeat.complete {
        let names = [Name::CompleteSeq, Name::CompletePosition];
        write_place(layout, event.epoch, complete, names, out);
    }
    out.push(b'}');
    Ok(())
}

/// As `seq` and as `position`, as far as lines have these.
fn write_place(
    layout: &Layout,
    epoch: u32,
    position: &Position,
    [seq, place]: [Name; 2],
    out: &mut Vec<u8>,
) {
    origin::write_place_seq(layout, seq, SeqPlace::new(epoch, position), out);
    if layout.has(NativeField::Position) {
        layout.write_label(place, out);
        escape_json(&position.file.name, out);
        out.push(b':');
        value::write_integer(position.offset, out);
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use headwater_actors::{changes::Heartbeat, lane::Lane, ports::encoder::Encoder};
    use headwater_binlog::{
        gtid::Uuid,
        position::{FileName, Position},
        schema::TableName,
    };

    use super::*;
    use crate::encode::native::{NativeEncoder, NativePlan};

    fn at(offset: u64) -> Position {
        Position::new(FileName::parse("binlog.000012").unwrap(), offset)
    }

    fn line(plan: &NativePlan, count: u32, commit_us: u64, complete: Option<Position>) -> String {
        let heartbeat = Heartbeat {
            position: at(2401),
            commit_us,
            complete,
        };
        let lane = Lane {
            table: TableName {
                database: "shop".into(),
                table: "or\"ders".into(),
            },
            index: 0,
            count,
            run: None,
        };
        let event = HeartbeatEvent {
            heartbeat: &heartbeat,
            lane: &lane,
            epoch: 3,
        };
        let mut out = Vec::new();
        let encoder = NativeEncoder::new(Uuid([0; 16])).with_fields(plan);
        encoder.heartbeat(&event, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_heartbeat_says_up_to_where_its_lane_is_complete() {
        let mut plan = NativePlan::default();
        assert_eq!(
            line(&plan, 1, 1_795_416_214_123_456, None),
            r#"{"type":"heartbeat","database":"shop","table":"or\"ders","ts_us":1795416214123456,"seq":"00000003.0000000c.0000000000000961.00000000","position":"binlog.000012:2401"}"#
        );
        plan.constants = vec![("env".into(), "prod".into())];
        plan.fields = vec![NativeField::Table, NativeField::Position];
        assert_eq!(
            line(&plan, 4, 0, None),
            r#"{"type":"heartbeat","table":"or\"ders","env":"prod","lane":0,"lanes":4,"position":"binlog.000012:2401"}"#
        );
    }

    #[test]
    fn a_heartbeat_says_up_to_where_all_lanes_are_complete() {
        assert_eq!(
            line(&NativePlan::default(), 1, 0, Some(at(1024))),
            r#"{"type":"heartbeat","database":"shop","table":"or\"ders","seq":"00000003.0000000c.0000000000000961.00000000","position":"binlog.000012:2401","complete_seq":"00000003.0000000c.0000000000000400.00000000","complete_position":"binlog.000012:1024"}"#
        );
    }
}
