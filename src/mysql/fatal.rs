//! Error 1236, with which a server ends or refuses a dump: what to do about it.
//!
//! The server has this one number for all that can be wrong, and tells which it was by its text alone. This is the
//! only place that looks into an error's text, and only the hint rests on it: 1236 is definite whatever it says. The
//! texts are those of MySQL 5.6 to 9.x and MariaDB 10 to 12, which differ by "master" and "source", "slave" and "replica".

/// For a dump that the server has ended in favour of another one.
pub(super) const TAKEN_OVER: &str = "another process of this pipeline (same name and server_id; on MariaDB any replica of the same server_id) reads from this server and has taken over: stop one of the two, or give this one another `name` or source.server_id";
const PURGED: &str = "the server no longer has this part of its log: copy the tables anew and clear the checkpoint, or accept the gap with `headwater position set`; keep the log longer (binlog_expire_logs_seconds)";
const TOO_LARGE: &str = "SET PERSIST replica_max_allowed_packet = 1073741824 (before 8.0.26: slave_max_allowed_packet); if the position was set by hand, it may not be the start of an event";
const END_LOST: &str = "the file is shorter than the position: the server lost the end of its log, or the position was set by hand";
const GTID_UNKNOWN: &str = "the server lacks transactions that were read: it lost the end of its log, or is not of the group that was read; compare the data, then `headwater position set`, or clear the checkpoint";
const CUT_OFF: &str = "the server stopped while it wrote this file (a crash, a full disk), and has rolled back what it wrote last: if mysqlbinlog shows that too, go on in the next file, `headwater position set FILE:4`; else the file is damaged";
const NO_EVENT: &str =
    "no event begins there: if the position was set by hand, `headwater position set` verifies it";
const UNREADABLE: &str = "the server cannot read its own log there: the log was reset while it was read (RESET BINARY LOGS AND GTIDS, RESET MASTER), which the next start finds out, or it is damaged: check the server's disk and error log; if the position was set by hand, `headwater position set` verifies it";

/// A part of the server's text, and the hint that belongs to it; the first that fits counts.
const TEXTS: [(&str, &str); 13] = [
    ("same server_uuid", TAKEN_OVER),
    ("same server_id", TAKEN_OVER),
    ("more GTIDs than the", GTID_UNKNOWN),
    ("is not in the master's binlog", GTID_UNKNOWN),
    ("is missing the GTID", GTID_UNKNOWN),
    ("purged", PURGED),
    ("Could not find first log file", PURGED),
    ("max_allowed_packet", TOO_LARGE),
    ("position > file size", END_LOST),
    ("impossible position", END_LOST),
    ("truncated in the middle of event", CUT_OFF),
    ("position < 4", NO_EVENT),
    ("requested incorrect position", NO_EVENT),
];

/// `text` is the server's.
pub(super) fn hint(text: &str) -> &'static str {
    let known = TEXTS.iter().find(|(part, _)| text.contains(part));
    known.map_or(UNREADABLE, |(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_mysql_and_mariadb_has_its_hint() {
        for (hint_wanted, texts) in [
            (
                TAKEN_OVER,
                &[
                    "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event 'binlog.000001' at 4, …",
                    "A slave with the same server_uuid/server_id as this slave has connected to the master; …",
                    "A slave with the same server_uuid/server_id is already connected",
                ][..],
            ),
            (
                PURGED,
                &[
                    "Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere, or provision a new replica from backup. …",
                    "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs containing GTIDs that the slave requires.",
                    "Could not find first log file name in binary log index file",
                    "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.",
                ],
            ),
            (
                GTID_UNKNOWN,
                &[
                    "Replica has more GTIDs than the source has, using the source's SERVER_UUID. This may indicate that the end of the binary log was truncated or that the last binary log file was lost, …",
                    "Error: connecting slave requested to start from GTID 0-1-9, which is not in the master's binlog",
                    "The binlog on the master is missing the GTID 0-1-9 requested by the slave (even though both a prior and a subsequent sequence number does exist), and GTID strict mode is enabled",
                ],
            ),
            (
                TOO_LARGE,
                &[
                    "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source",
                    "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on master; …",
                ],
            ),
            (
                END_LOST,
                &[
                    "Client requested source to start replication from position > file size",
                    "Client requested master to start replication from position > file size; …",
                    "Client requested master to start replication from impossible position; …",
                ],
            ),
            (
                NO_EVENT,
                &[
                    "Client requested source to start replication from position < 4",
                    "Slave requested incorrect position in master binlog. Requested position 5 in file 'binlog.000001', but this position does not correspond to the location of any binlog event.",
                ],
            ),
            (
                CUT_OFF,
                &[
                    "binlog truncated in the middle of event; consider out of disk space on source",
                    "binlog truncated in the middle of event; consider out of disk space on master; …",
                ],
            ),
            (
                UNREADABLE,
                &["bogus data in log event; …", "what no version has said yet"],
            ),
        ] {
            for text in texts {
                assert_eq!(hint(text), hint_wanted, "{text}");
            }
        }
    }
}
