//! QUERY events: their variables, and what is transaction control.

use proptest::prelude::*;

use super::*;
use crate::{
    fixture::{query_body, query_body_with},
    tokens::SQL_MODE_ANSI_QUOTES,
};

fn control(text: &str) -> Option<Control> {
    let body = query_body("shop", text);
    Query::parse(&body, Some(13)).expect("an event").control()
}

#[test]
fn the_fields_of_a_statement_are_read() {
    let body = query_body("shop", "DROP TABLE t");
    let query = Query::parse(&body, None).expect("an event");
    assert_eq!(
        (query.thread_id, query.default_database, query.statement),
        (9, "shop", &b"DROP TABLE t"[..])
    );
    assert_eq!((query.charset(), query.sql_mode), (Ok("utf8mb4"), 0));
    assert_eq!(query.text().as_deref(), Ok("DROP TABLE t"));
}

#[test]
fn every_status_variable_is_passed_and_an_unknown_one_ends_the_walk() {
    let mut variables = vec![0, 1, 2, 3, 4]; // flags2
    variables.extend([&[6, 3][..], b"std"].concat());
    variables.extend([3, 1, 0, 1, 0]);
    variables.extend([5, 3, b'U', b'T', b'C', 7, 1, 0, 8, 8, 0]);
    variables.extend([2, 3, b's', b't', b'd', 0, 2, 0]);
    variables.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0]);
    variables.extend([
        11, 1, b'u', 1, b'h', 12, 2, b'a', 0, b'b', 0, 12, 254, 13, 1, 2, 3, 16, 1,
    ]);
    variables.extend([17, 0, 0, 0, 0, 0, 0, 0, 0, 18, 255, 0, 19, 1, 20, 0, 21, 1]);
    variables.extend([4, 8, 0, 8, 0, 8, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0]);
    variables.extend([200, 77]); // not known today
    let body = query_body_with("shop", "é".as_bytes(), &variables);
    let query = Query::parse(&body, Some(13)).expect("an event");
    assert_eq!(
        (query.client_collation, query.sql_mode),
        (Some(8), SQL_MODE_ANSI_QUOTES)
    );
    assert_eq!(
        (query.default_database, query.statement),
        ("shop", "é".as_bytes())
    );
}

#[test]
fn text_is_decoded_without_loss_or_refused_by_the_name_of_its_charset() {
    let text = |collation: u8, text: &[u8]| {
        let body = query_body_with("", text, &[4, collation, 0, 8, 0, 8, 0]);
        Query::parse(&body, None)
            .expect("an event")
            .text()
            .map(Cow::into_owned)
    };
    assert_eq!(text(8, b"caf\xe9 \x80"), Ok("café €".into()));
    assert_eq!(text(28, b"\xc4\xe3"), Ok("你".into()));
    assert_eq!(text(3, b"plain \xe9"), Ok("plain é".into()));
    assert_eq!(
        text(3, b"\xff"),
        Err(Error::Unsupported(
            "statement that is not readable as dec8".into()
        ))
    );
    assert!(text(45, b"\xff").is_err());
    assert!(text(126, b"x").is_err());
}

#[test]
fn transaction_control_is_told_from_other_statements() {
    let cases = [
        ("BEGIN", Some(Control::Begin)),
        ("COMMIT", Some(Control::Commit)),
        ("commit /* 1 */", Some(Control::Commit)),
        ("ROLLBACK", Some(Control::Rollback)),
        ("SAVEPOINT `a`", Some(Control::Savepoint)),
        ("ROLLBACK TO `a`", Some(Control::RollbackTo)),
        ("rollback work to savepoint a", Some(Control::RollbackTo)),
        ("RELEASE SAVEPOINT `a`", Some(Control::ReleaseSavepoint)),
        ("XA START X'31',X'',1", Some(Control::XaStart)),
        ("XA END X'31',X'',1", Some(Control::XaEnd)),
        ("XA PREPARE X'31',X'',1", Some(Control::XaPrepare)),
        ("XA COMMIT X'31',X'',1", Some(Control::XaCommit)),
        ("XA ROLLBACK X'31',X'',1", Some(Control::XaRollback)),
        ("CREATE TABLE begin (id INT)", None),
        ("`BEGIN`", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(control(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, variables: Vec<u8>, text: String) {
        drop(Query::parse(&bytes, None));
        for body in [query_body_with("db", text.as_bytes(), &variables), query_body_with("db", &bytes, &[])] {
            if let Ok(query) = Query::parse(&body, None) {
                drop((query.text(), query.control()));
            }
        }
    }
}
