//! Binlog files as a source, instead of a server.
