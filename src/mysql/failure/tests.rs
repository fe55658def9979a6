//! Every kind of error has its class, its code and its hint.

use super::*;
use crate::mysql::error::server_error;

fn server(number: u16) -> Error {
    Error::Server(ServerError {
        number,
        state: "HY000".into(),
        message: "no".into(),
    })
}

#[test]
fn a_wrong_password_is_definite_and_names_the_account() {
    let failure = failure("connect to db:3306", "ann", server(1045));
    assert!(failure.is_definite() && failure.is_mysql(1045));
    assert_eq!(
        failure.to_string(),
        "connect to db:3306: the server says 1045 (HY000): no"
    );
    assert!(failure.hint.is_some_and(|hint| hint.contains("'ann'")));
}

#[test]
fn a_refused_login_names_what_the_connection_lacked() {
    for (link, has_password, says) in [
        (Link::Plain, true, "REQUIRE SSL or X509"),
        (Link::Plain, true, "(from source.password_file)"),
        (
            Link::Plain,
            false,
            "none is set; source.password_file can name a file",
        ),
        (Link::Tls, true, "set source.tls.cert_file"),
        (Link::Certificate, true, "compare them"),
    ] {
        let shown = Shown {
            has_password,
            password_key: "source.password_file",
            link,
        };
        let said = ServerError {
            number: 1045,
            state: "28000".into(),
            message: "no".into(),
        };
        let failure = failure("connect", "ann", Error::Refused { said, shown });
        assert!(failure.is_definite() && failure.is_mysql(1045), "{failure}");
        let hint = failure.hint.expect("a hint");
        assert!(hint.contains("'ann'") && hint.contains(says), "{hint}");
    }
}

#[test]
fn numbers_that_pass_by_themselves_are_transient_and_say_what_helps() {
    for (number, says) in [
        (1040, "max_connections"),
        (1184, "init_connect"),
        (1203, "MAX_USER_CONNECTIONS"),
        (3032, "offline_mode"),
    ] {
        let failure = failure("ask", "ann", server(number));
        assert!(!failure.is_definite(), "{failure}");
        assert!(
            failure.hint.is_some_and(|hint| hint.contains(says)),
            "{number}"
        );
    }
    let failure = failure("ask", "ann", server(1205));
    assert!(!failure.is_definite() && failure.hint.is_none());
}

#[test]
fn a_proxy_that_passes_no_dump_on_is_definite_and_named() {
    for number in [1047, 1235] {
        for failure in [failure, dump_failure] {
            let failure = failure("read the binary log", "ann", server(number));
            assert!(failure.is_definite(), "{failure}");
            assert!(failure.hint.is_some_and(|hint| hint.contains("proxy")));
        }
    }
}

#[test]
fn a_second_process_of_the_pipeline_is_told_as_such() {
    let error = server_error(
        b"\xff\xd4\x04#HY000A replica with the same server_uuid/server_id as this replica has connected to the source",
    );
    let failure = dump_failure("read", "ann", error);
    assert!(failure.is_definite() && failure.is_mysql(1236));
    assert!(failure.to_string().contains("1236"), "{failure}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("taken over")));
}

#[test]
fn a_plugin_that_is_not_spoken_is_named_with_the_statement_that_changes_it() {
    for (plugin, says) in [
        ("client_ed25519", "IDENTIFIED VIA mysql_native_password"),
        ("parsec", "IDENTIFIED VIA mysql_native_password"),
        (
            "authentication_ldap_sasl_client",
            "IDENTIFIED WITH caching_sha2_password",
        ),
    ] {
        let failure = failure("connect", "ann", Error::Plugin(plugin.into()));
        assert!(failure.is_definite() && failure.to_string().contains(plugin));
        let hint = failure.hint.expect("a hint");
        assert!(hint.contains(says) && hint.contains("'ann'"), "{hint}");
    }
}

#[test]
fn a_connection_that_breaks_off_is_said_in_plain_words() {
    let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "see https://…");
    for error in [Error::Io(eof), Error::Closed] {
        let failure = failure("read", "ann", error);
        assert!(!failure.is_definite());
        assert_eq!(
            failure.to_string(),
            "read: the server closed the connection"
        );
    }
}

#[test]
fn trouble_with_tls_is_known_by_type_inside_an_io_error() {
    for (error, trouble) in [
        (
            rustls::CertificateError::UnknownIssuer.into(),
            Some(TlsTrouble::Theirs),
        ),
        (TlsError::NoCertificatesPresented, Some(TlsTrouble::Theirs)),
        (
            TlsError::AlertReceived(Alert::UnknownCA),
            Some(TlsTrouble::Ours),
        ),
        (
            TlsError::AlertReceived(Alert::ProtocolVersion),
            Some(TlsTrouble::NothingInCommon),
        ),
        (
            rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into(),
            Some(TlsTrouble::NothingInCommon),
        ),
        (TlsError::AlertReceived(Alert::InternalError), None),
        (TlsError::HandshakeNotComplete, None),
        (TlsError::General("certificate".into()), None),
    ] {
        assert_eq!(TlsTrouble::of(&error), trouble, "{error}");
        for wrap in [Error::Io, Error::Handshake] {
            let wrapped = io::Error::new(io::ErrorKind::InvalidData, error.clone());
            let failure = failure("connect", "ann", wrap(wrapped));
            assert_eq!(failure.is_definite(), trouble.is_some(), "{failure}");
            let is_certificate = matches!(trouble, Some(TlsTrouble::Theirs | TlsTrouble::Ours));
            assert_eq!(failure.code == Some(Code::Certificate), is_certificate);
        }
    }
}
