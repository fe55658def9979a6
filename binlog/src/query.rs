//! QUERY events: status variables, default database, statement; transaction control told from the rest.
