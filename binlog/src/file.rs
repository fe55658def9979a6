//! The events of a binlog file, over any `BufRead`.
