//! Whether the connection has TLS, and whether the server is verified.

use super::Check;
use crate::mysql::options::TlsMode;

/// `cipher` of the connection, if it has TLS.
pub fn ensure_tls(cipher: Option<&str>, mode: TlsMode) -> Check {
    let name = "tls";
    match (cipher, mode) {
        (None, TlsMode::Disabled) => Check::ok(name, "off (source.tls.mode = \"disabled\")"),
        (None, _) => Check::warn(
            name,
            "off: the server offers none, and who listens on the way reads the rows",
            "give the server a certificate (ssl_cert, ssl_key), and set source.tls.mode = \"verify_identity\"",
        ),
        (Some(cipher), TlsMode::VerifyIdentity) => Check::ok(
            name,
            format!("on ({cipher}), certificate and name verified"),
        ),
        (Some(cipher), TlsMode::VerifyCa) => Check::ok(
            name,
            format!("on ({cipher}), certificate verified, name not"),
        ),
        (Some(cipher), _) => Check::ok(
            name,
            format!("on ({cipher}), not verified: source.tls.mode = \"verify_identity\" does"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::checks::Verdict;

    #[test]
    fn tls_is_said_to_be_on_or_off_and_verified_or_not() {
        for (cipher, mode, verdict, says) in [
            (None, TlsMode::Disabled, Verdict::Ok, "off"),
            (None, TlsMode::Preferred, Verdict::Warn, "off"),
            (Some("AES"), TlsMode::Preferred, Verdict::Ok, "not verified"),
            (Some("AES"), TlsMode::Required, Verdict::Ok, "not verified"),
            (Some("AES"), TlsMode::VerifyCa, Verdict::Ok, "name not"),
            (
                Some("AES"),
                TlsMode::VerifyIdentity,
                Verdict::Ok,
                "name verified",
            ),
        ] {
            let check = ensure_tls(cipher, mode);
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.found.contains(says), "{check:?}");
        }
    }
}
