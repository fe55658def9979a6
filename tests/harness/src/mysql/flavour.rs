//! What differs between the servers that a [`MySql`](super::MySql) can be: the program and its options.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    MySql,
    MariaDb,
}

impl Flavour {
    pub(super) fn thing(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::MySql => "bin/mysqld",
            Self::MariaDb => "bin/mariadbd",
        }
    }

    pub(super) fn defaults(self) -> &'static [&'static str] {
        match self {
            Self::MySql => &MYSQL_DEFAULTS,
            Self::MariaDb => &MARIADB_DEFAULTS,
        }
    }
}

const MARIADB_DEFAULTS: [&str; 13] = [
    "--bind-address=127.0.0.1",
    "--socket=mariadb.sock",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=OFF",
    "--max-connections=200",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-metadata=FULL",
    "--log-slave-updates=ON",
    "--relay-log=relay",
];

const MYSQL_DEFAULTS: [&str; 16] = [
    "--bind-address=127.0.0.1",
    "--socket=mysql.sock",
    "--skip-name-resolve",
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=OFF",
    "--max-connections=200",
    "--log-bin=binlog",
    "--binlog-row-metadata=FULL",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--replica-parallel-workers=1",
    "--relay-log=relay",
];
