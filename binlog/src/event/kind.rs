//! The kinds of event, by MySQL's and MariaDB's type codes, in one table.

/// MySQL's codes up to 43, MariaDB's from 160 on. Prints as MySQL's documentation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    StartV3,
    Query,
    Stop,
    Rotate,
    Intvar,
    Load,
    Slave,
    CreateFile,
    AppendBlock,
    ExecLoad,
    DeleteFile,
    NewLoad,
    Rand,
    UserVar,
    FormatDescription,
    Xid,
    BeginLoadQuery,
    ExecuteLoadQuery,
    TableMap,
    PreGaWriteRows,
    PreGaUpdateRows,
    PreGaDeleteRows,
    WriteRowsV1,
    UpdateRowsV1,
    DeleteRowsV1,
    Incident,
    Heartbeat,
    Ignorable,
    RowsQuery,
    WriteRows,
    UpdateRows,
    DeleteRows,
    Gtid,
    AnonymousGtid,
    PreviousGtids,
    TransactionContext,
    ViewChange,
    XaPrepare,
    PartialUpdateRows,
    TransactionPayload,
    HeartbeatV2,
    GtidTagged,
    LargeTransactionHeader,
    MariaAnnotateRows,
    MariaBinlogCheckpoint,
    MariaGtid,
    MariaGtidList,
    MariaStartEncryption,
    MariaQueryCompressed,
    MariaWriteRowsCompressedV1,
    MariaUpdateRowsCompressedV1,
    MariaDeleteRowsCompressedV1,
    MariaWriteRowsCompressed,
    MariaUpdateRowsCompressed,
    MariaDeleteRowsCompressed,
    MariaPartialRowData,
    Unknown(u8),
}

const TABLE: [(u8, EventKind, &str); 56] = [
    (1, EventKind::StartV3, "START_V3"),
    (2, EventKind::Query, "QUERY"),
    (3, EventKind::Stop, "STOP"),
    (4, EventKind::Rotate, "ROTATE"),
    (5, EventKind::Intvar, "INTVAR"),
    (6, EventKind::Load, "LOAD"),
    (7, EventKind::Slave, "SLAVE"),
    (8, EventKind::CreateFile, "CREATE_FILE"),
    (9, EventKind::AppendBlock, "APPEND_BLOCK"),
    (10, EventKind::ExecLoad, "EXEC_LOAD"),
    (11, EventKind::DeleteFile, "DELETE_FILE"),
    (12, EventKind::NewLoad, "NEW_LOAD"),
    (13, EventKind::Rand, "RAND"),
    (14, EventKind::UserVar, "USER_VAR"),
    (15, EventKind::FormatDescription, "FORMAT_DESCRIPTION"),
    (16, EventKind::Xid, "XID"),
    (17, EventKind::BeginLoadQuery, "BEGIN_LOAD_QUERY"),
    (18, EventKind::ExecuteLoadQuery, "EXECUTE_LOAD_QUERY"),
    (19, EventKind::TableMap, "TABLE_MAP"),
    (20, EventKind::PreGaWriteRows, "PRE_GA_WRITE_ROWS"),
    (21, EventKind::PreGaUpdateRows, "PRE_GA_UPDATE_ROWS"),
    (22, EventKind::PreGaDeleteRows, "PRE_GA_DELETE_ROWS"),
    (23, EventKind::WriteRowsV1, "WRITE_ROWS_V1"),
    (24, EventKind::UpdateRowsV1, "UPDATE_ROWS_V1"),
    (25, EventKind::DeleteRowsV1, "DELETE_ROWS_V1"),
    (26, EventKind::Incident, "INCIDENT"),
    (27, EventKind::Heartbeat, "HEARTBEAT"),
    (28, EventKind::Ignorable, "IGNORABLE"),
    (29, EventKind::RowsQuery, "ROWS_QUERY"),
    (30, EventKind::WriteRows, "WRITE_ROWS"),
    (31, EventKind::UpdateRows, "UPDATE_ROWS"),
    (32, EventKind::DeleteRows, "DELETE_ROWS"),
    (33, EventKind::Gtid, "GTID"),
    (34, EventKind::AnonymousGtid, "ANONYMOUS_GTID"),
    (35, EventKind::PreviousGtids, "PREVIOUS_GTIDS"),
    (36, EventKind::TransactionContext, "TRANSACTION_CONTEXT"),
    (37, EventKind::ViewChange, "VIEW_CHANGE"),
    (38, EventKind::XaPrepare, "XA_PREPARE"),
    (39, EventKind::PartialUpdateRows, "PARTIAL_UPDATE_ROWS"),
    (40, EventKind::TransactionPayload, "TRANSACTION_PAYLOAD"),
    (41, EventKind::HeartbeatV2, "HEARTBEAT_V2"),
    (42, EventKind::GtidTagged, "GTID_TAGGED"),
    (
        43,
        EventKind::LargeTransactionHeader,
        "LARGE_TRANSACTION_HEADER",
    ),
    (160, EventKind::MariaAnnotateRows, "ANNOTATE_ROWS"),
    (161, EventKind::MariaBinlogCheckpoint, "BINLOG_CHECKPOINT"),
    (162, EventKind::MariaGtid, "MARIADB_GTID"),
    (163, EventKind::MariaGtidList, "GTID_LIST"),
    (164, EventKind::MariaStartEncryption, "START_ENCRYPTION"),
    (165, EventKind::MariaQueryCompressed, "QUERY_COMPRESSED"),
    (
        166,
        EventKind::MariaWriteRowsCompressedV1,
        "WRITE_ROWS_COMPRESSED_V1",
    ),
    (
        167,
        EventKind::MariaUpdateRowsCompressedV1,
        "UPDATE_ROWS_COMPRESSED_V1",
    ),
    (
        168,
        EventKind::MariaDeleteRowsCompressedV1,
        "DELETE_ROWS_COMPRESSED_V1",
    ),
    (
        169,
        EventKind::MariaWriteRowsCompressed,
        "WRITE_ROWS_COMPRESSED",
    ),
    (
        170,
        EventKind::MariaUpdateRowsCompressed,
        "UPDATE_ROWS_COMPRESSED",
    ),
    (
        171,
        EventKind::MariaDeleteRowsCompressed,
        "DELETE_ROWS_COMPRESSED",
    ),
    (172, EventKind::MariaPartialRowData, "PARTIAL_ROW_DATA"),
];

static BY_CODE: [EventKind; 256] = by_code();

const fn by_code() -> [EventKind; 256] {
    let mut kinds = [EventKind::Unknown(0); 256];
    let mut code = 0;
    while code < kinds.len() {
        kinds[code] = EventKind::Unknown(code as u8);
        code += 1;
    }
    let mut row = 0;
    while row < TABLE.len() {
        kinds[TABLE[row].0 as usize] = TABLE[row].1;
        row += 1;
    }
    kinds
}

impl EventKind {
    pub fn from_code(code: u8) -> Self {
        BY_CODE
            .get(usize::from(code))
            .copied()
            .unwrap_or(Self::Unknown(code))
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Unknown(code) => code,
            kind => TABLE
                .iter()
                .find(|row| row.1 == kind)
                .map_or(0, |row| row.0),
        }
    }

    pub fn is_heartbeat(self) -> bool {
        matches!(self, Self::Heartbeat | Self::HeartbeatV2)
    }

    /// Whether it carries rows of a table.
    pub fn is_rows(self) -> bool {
        matches!(
            self,
            Self::WriteRows
                | Self::UpdateRows
                | Self::DeleteRows
                | Self::WriteRowsV1
                | Self::UpdateRowsV1
                | Self::DeleteRowsV1
                | Self::PartialUpdateRows
        ) || self.has_compressed_rows()
    }

    /// Whether its row images are one compressed record (MariaDB's `log_bin_compress`).
    pub fn has_compressed_rows(self) -> bool {
        matches!(
            self,
            Self::MariaWriteRowsCompressedV1
                | Self::MariaUpdateRowsCompressedV1
                | Self::MariaDeleteRowsCompressedV1
                | Self::MariaWriteRowsCompressed
                | Self::MariaUpdateRowsCompressed
                | Self::MariaDeleteRowsCompressed
        )
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match TABLE.iter().find(|row| row.1 == *self) {
            Some((_, _, name)) => formatter.write_str(name),
            None => write!(formatter, "of type {}", self.code()),
        }
    }
}
