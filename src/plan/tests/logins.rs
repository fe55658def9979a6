//! What logs in: one password or a token, and the TLS that they need.

use super::*;

#[test]
fn a_password_comes_from_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "hunter2\n").unwrap();
    let file = format!("source.password_file={}", path.display());
    let plan = plan_of(&[&file]).unwrap();
    let password = || plan.source.password.at_hand().unwrap();
    assert_eq!(password().reveal(), "hunter2");
    std::fs::write(&path, "rotated\n").unwrap();
    assert_eq!(password().reveal(), "rotated", "read at each connect");
    std::fs::write(&path, "hunter2\n").unwrap();
    let error = plan_of(&[&file, "source.url=mysql://u:other@h"]).unwrap_err();
    assert!(
        error
            .message
            .contains("source.url and from source.password_file")
    );
    assert!(!format!("{error}{plan:?}").contains("hunter2"));
    std::fs::write(&path, "two\nlines\n").unwrap();
    assert_eq!(refused_key(&[&file]), "source.password_file");
    assert_eq!(
        refused_key(&["source.password_file=missing"]),
        "source.password_file"
    );
}

#[test]
fn a_token_goes_inside_tls_alone_and_its_authorities_are_named() {
    let token = "source.auth=rds_iam";
    for mode in ["disabled", "preferred"] {
        let mode = format!("source.tls.mode={mode}");
        let error = plan_of(&[token, &mode]).unwrap_err();
        assert_eq!(error.key, "source.auth");
        assert!(error.message.contains("global-bundle.pem"), "{error}");
    }
    let plan = plan_of(&[token, "source.tls.mode=required"]).unwrap();
    assert!(plan.source.password.is_token());
    assert!(
        plan.warnings()
            .iter()
            .any(|warning| warning.contains("whoever answers"))
    );
    let plan = plan_of(&[token, "source.tls.mode=verify_identity"]).unwrap();
    assert!(plan.warnings().is_empty());
    assert_eq!(
        refused_key(&[token, "source.url=mysql://u:p@h"]),
        "source.auth"
    );
    assert_eq!(refused_key(&["source.auth=iam"]), "source.auth");
}

#[test]
fn a_ca_file_that_would_not_be_used_is_refused() {
    assert_eq!(
        refused_key(&["source.tls.ca_file=ca.pem"]),
        "source.tls.ca_file"
    );
    let plan = plan_of(&["source.tls.ca_file=ca.pem", "source.tls.mode=verify_ca"]).unwrap();
    assert_eq!(plan.source.tls.mode, TlsMode::VerifyCa);
}
