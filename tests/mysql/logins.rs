//! Logging in: every way in which a password can go, every mode of TLS, and what a refused account is told.

use std::path::{Path, PathBuf};

use headwater::{
    mysql::{SourcePlan, TlsMode, connection::Connection, options::ClientCertificate},
    password::Password,
    secret::Secret,
};
use headwater_actors::failure::{Code, Failure};
use headwater_harness::mysql::{GRANTS, MySql};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tempfile::TempDir;

use crate::log::{Reading, definite, plan, tls, transient};

async fn open(plan: &SourcePlan) -> Result<Connection, Failure> {
    Connection::open(plan, &plan.hosts[0]).await
}

/// The account that the server knows this connection by, and its cipher; none without TLS.
async fn logged_in(plan: &SourcePlan) -> (String, Option<String>) {
    let mut connection = open(plan).await.expect("a connection");
    let user = connection.value("ask", "SELECT CURRENT_USER()").await;
    let cipher = connection
        .value(
            "ask",
            "SELECT NULLIF(VARIABLE_VALUE, '') FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_cipher'",
        )
        .await;
    (
        user.expect("an account").unwrap_or_default(),
        cipher.expect("a status"),
    )
}

async fn account(server: &MySql, name: &str, password: &str) -> SourcePlan {
    let grants = &format!("{GRANTS}, RELOAD");
    server
        .create_user(name, password, grants)
        .await
        .expect("a user");
    let mut plan = plan(server);
    plan.user = name.into();
    plan.password = Password::known("source.url", Secret::new(password));
    plan
}

#[tokio::test]
async fn a_password_goes_by_hash_by_rsa_and_inside_tls_whatever_it_is() {
    let server = MySql::with(&["--performance-schema=ON"])
        .await
        .expect("a server");
    let long = "länger als zwanzig Bytes, damit sich die Maske wiederholt: 0123456789".repeat(2);
    for (name, password) in [("plain", "let-it-flow"), ("long", &long), ("none", "")] {
        let mut plan = account(&server, name, password).await;
        for (mode, encrypted) in [(TlsMode::Disabled, false), (TlsMode::Required, true)] {
            plan.tls = tls(mode, None);
            plan.tls.allow_public_key_retrieval = true;
            // Empties the server's cache of hashes: it asks for the password itself.
            server.exec("FLUSH PRIVILEGES").await.expect("flushed");
            for cache in ["cold", "warm"] {
                let (user, cipher) = logged_in(&plan).await;
                assert_eq!(user, format!("{name}@%"), "{mode:?} {cache}");
                assert_eq!(cipher.is_some(), encrypted, "{mode:?} {cache}");
            }
        }
    }
}

#[tokio::test]
async fn without_tls_a_password_goes_by_hash_alone_unless_a_setting_allows_more() {
    let server = MySql::start().await.expect("a server");
    let mut plain = account(&server, "ann", "let-it-flow").await;
    plain.tls = tls(TlsMode::Disabled, None);
    let mut encrypted = plain.clone();
    encrypted.tls = tls(TlsMode::Required, None);
    let failure = definite(open(&plain).await);
    let hint = failure.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("allow_public_key_retrieval"), "{hint}");
    // From here on the server knows the hash.
    logged_in(&encrypted).await;
    logged_in(&plain).await;
}

#[tokio::test]
async fn without_its_key_a_server_takes_a_known_hash_in_the_clear_and_nothing_else() {
    let server = MySql::with(&["--caching-sha2-password-private-key-path=none.pem"])
        .await
        .expect("a server");
    let mut plan = account(&server, "ann", "let-it-flow").await;
    plan.tls = tls(TlsMode::Disabled, None);
    plan.tls.allow_public_key_retrieval = true;
    assert!(open(&plan).await.is_err());
    plan.tls = tls(TlsMode::Required, None);
    assert!(open(&plan).await.is_ok());
    plan.tls = tls(TlsMode::Disabled, None);
    assert!(open(&plan).await.is_ok());
}

#[tokio::test]
async fn sha256_password_goes_inside_tls_or_under_a_key_that_may_be_taken() {
    let server = MySql::start().await.expect("a server");
    let mut plan = account(&server, "ann", "let-it-flow").await;
    let made = server
        .exec("CREATE USER sha256@'%' IDENTIFIED WITH sha256_password BY 'let-it-flow'")
        .await;
    made.expect("a user");
    plan.user = "sha256".into();
    plan.tls = tls(TlsMode::Disabled, None);
    definite(open(&plan).await);
    plan.tls.allow_public_key_retrieval = true;
    open(&plan).await.expect("logged in under the key");
    plan.tls = tls(TlsMode::Required, None);
    open(&plan).await.expect("logged in inside TLS");
    plan.password = Password::known("source.url", Secret::new("not-it"));
    let failure = definite(open(&plan).await);
    assert!(failure.is_mysql(1045), "{failure}");
}

/// MySQL answers an account that it does not know with any plugin, the name decides which: all are spoken, so it
/// comes to the server's own "access denied".
#[tokio::test]
async fn an_account_that_does_not_exist_is_refused_by_the_server_itself() {
    let server = MySql::start().await.expect("a server");
    let mut unknown = plan(&server);
    for name in ["nobody", "nemo", "a", "b", "c", "d", "e", "f"] {
        unknown.user = name.into();
        let failure = definite(open(&unknown).await);
        assert!(failure.is_mysql(1045), "{name}: {failure}");
        assert!(failure.hint.expect("a hint").contains(name));
    }
}

#[tokio::test]
async fn an_account_that_wants_tls_or_a_certificate_is_told_what_the_connection_lacked() {
    let ours = Authority::new("ours");
    let server = ours.server("127.0.0.1").await;
    let mut tried = account(&server, "ann", "let-it-flow").await;
    server
        .exec(
            "CREATE USER secure@'%' IDENTIFIED BY 'let-it-flow' REQUIRE SSL;
             CREATE USER certified@'%' IDENTIFIED BY 'let-it-flow' REQUIRE X509;
             CREATE USER named@'%' IDENTIFIED BY 'let-it-flow' REQUIRE SUBJECT '/CN=headwater';
             CREATE USER other@'%' IDENTIFIED BY 'let-it-flow' REQUIRE SUBJECT '/CN=other'",
        )
        .await
        .expect("users");
    let mut told = async |user: &str, mode, client: Option<&ClientCertificate>| {
        tried.user = user.into();
        tried.tls = tls(mode, None);
        tried.tls.allow_public_key_retrieval = true;
        tried.tls.client = client.cloned();
        let outcome = open(&tried).await;
        outcome.err().map(|failure| {
            assert!(failure.is_mysql(1045), "{failure}");
            definite::<()>(Err(failure)).hint.unwrap_or_default()
        })
    };
    let ok = None;
    let lacks = |hint: Option<String>, words: &str| {
        assert!(
            hint.as_ref().is_some_and(|hint| hint.contains(words)),
            "{hint:?}"
        );
    };
    let certificate = ours.client("headwater");
    lacks(told("secure", TlsMode::Disabled, None).await, "had no TLS");
    assert_eq!(told("secure", TlsMode::Required, None).await, ok);
    lacks(
        told("certified", TlsMode::Required, None).await,
        "no client certificate",
    );
    for user in ["certified", "named"] {
        for mode in [TlsMode::Preferred, TlsMode::Required] {
            assert_eq!(told(user, mode, Some(&certificate)).await, ok, "{user}");
        }
    }
    lacks(
        told("other", TlsMode::Required, Some(&certificate)).await,
        "SUBJECT or ISSUER",
    );
}

#[tokio::test]
async fn a_client_certificate_that_is_of_no_use_is_told() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let server = ours.server("127.0.0.1").await;
    let mut tried = plan(&server);
    let good = ours.client("headwater");
    let missing = ClientCertificate {
        cert_file: "no-such.pem".into(),
        ..good.clone()
    };
    let mixed = ClientCertificate {
        key_file: ours.client("another").key_file,
        ..good.clone()
    };
    for (client, word) in [
        (missing, "no-such.pem"),
        (mixed, "headwater.pem"),
        (strange.client("headwater"), "UnknownCA"),
    ] {
        tried.tls.client = Some(client);
        let failure = definite(open(&tried).await);
        assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
        assert!(failure.to_string().contains(word), "{failure}");
        assert!(failure.hint.expect("a hint").contains("cert_file"));
    }
}

#[tokio::test]
async fn an_account_that_may_not_log_in_is_definite() {
    let server = MySql::start().await.expect("a server");
    let mut tried = account(&server, "ann", "let-it-flow").await;
    tried.password = Password::known("source.url", Secret::new("not-it"));
    assert!(definite(open(&tried).await).is_mysql(1045));
    let locked = "CREATE USER locked@'%' IDENTIFIED BY 'let-it-flow' ACCOUNT LOCK";
    server.exec(locked).await.expect("a user");
    let mut tried = plan(&server);
    tried.user = "locked".into();
    assert!(definite(open(&tried).await).is_mysql(3118));
}

/// MariaDB lets itself be told to take cipher suites that no longer count as safe.
#[tokio::test]
async fn a_server_without_forward_secrecy_is_definite_and_told_what_is_spoken() {
    let ours = Authority::new("ours");
    let mut options = ours.options("127.0.0.1");
    options.extend(["--tls-version=TLSv1.2", "--ssl-cipher=AES256-GCM-SHA384"].map(str::to_owned));
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let server = MySql::mariadb(&options).await.expect("a server");
    let mut tried = plan(&server);
    for mode in [TlsMode::Preferred, TlsMode::Required] {
        tried.tls = tls(mode, None);
        let failure = definite(open(&tried).await);
        let hint = failure.hint.as_deref().unwrap_or_default();
        assert!(
            hint.contains("TLS 1.2 (with ECDHE) and 1.3"),
            "{failure}: {hint}"
        );
    }
    tried.tls = tls(TlsMode::Disabled, None);
    open(&tried).await.expect("logged in without TLS");
}

#[tokio::test]
async fn a_host_that_has_no_address_is_named() {
    let server = MySql::start().await.expect("a server");
    let mut tried = plan(&server);
    tried.hosts[0].name = "no-such-host.invalid".into();
    let failure = transient(open(&tried).await);
    assert!(
        failure
            .to_string()
            .contains("unknown host \"no-such-host.invalid\""),
        "{failure}"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_where_the_mode_allows_it() {
    let server = MySql::with(&["--tls-version="]).await.expect("a server");
    let mut tried = plan(&server);
    for mode in [TlsMode::Disabled, TlsMode::Preferred] {
        tried.tls = tls(mode, None);
        let failure = definite(open(&tried).await);
        assert!(failure.to_string().contains("has no TLS"), "{failure}");
    }
    for mode in [TlsMode::Disabled, TlsMode::Preferred] {
        tried.tls = tls(mode, None);
        tried.tls.allow_public_key_retrieval = true;
        Reading::start(&tried).await;
    }
    for mode in [
        TlsMode::Required,
        TlsMode::VerifyCa,
        TlsMode::VerifyIdentity,
    ] {
        tried.tls = tls(mode, Some(server.datadir().join("ca.pem")));
        let failure = definite(open(&tried).await);
        assert!(failure.to_string().contains("offers no TLS"), "{failure}");
    }
}

/// An authority of a test's own.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("an authority"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn ca_file(&self) -> PathBuf {
        self.write("authority.pem", &self.issuer.pem())
    }

    /// Options for a server that shows a certificate for `name`.
    fn options(&self, name: &str) -> Vec<String> {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let option = |option: &str, path: &Path| format!("--{option}={}", path.display());
        vec![
            option("ssl-ca", &self.ca_file()),
            option("ssl-cert", &self.write("server.pem", &certificate.pem())),
            option("ssl-key", &self.write("key.pem", &key.serialize_pem())),
        ]
    }

    /// A certificate for a client called `name`, of which files are named after it.
    fn client(&self, name: &str) -> ClientCertificate {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        ClientCertificate {
            cert_file: self.write(&format!("{name}.pem"), &certificate.pem()),
            key_file: self.write(&format!("{name}-key.pem"), &key.serialize_pem()),
        }
    }

    async fn server(&self, name: &str) -> MySql {
        let options = self.options(name);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        MySql::with(&options).await.expect("a server")
    }
}

#[tokio::test]
async fn verify_identity_takes_the_right_name_of_the_right_authority_only() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let server = ours.server("127.0.0.1").await;
    let mut tried = plan(&server);
    for mode in [TlsMode::VerifyCa, TlsMode::VerifyIdentity] {
        tried.tls = tls(mode, Some(ours.ca_file()));
        Reading::start(&tried).await;
        for other in [Some(strange.ca_file()), None] {
            tried.tls = tls(mode, other);
            let failure = definite(open(&tried).await);
            assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
            assert!(failure.to_string().contains("UnknownIssuer"), "{failure}");
        }
    }

    let server = ours.server("db.example.com").await;
    let mut tried = plan(&server);
    tried.tls = tls(TlsMode::VerifyCa, Some(ours.ca_file()));
    Reading::start(&tried).await;
    tried.tls = tls(TlsMode::VerifyCa, Some(strange.ca_file()));
    let failure = definite(open(&tried).await);
    assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
    tried.tls = tls(TlsMode::VerifyIdentity, Some(ours.ca_file()));
    let failure = definite(open(&tried).await);
    assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
    assert!(failure.to_string().contains("db.example.com"), "{failure}");
    // A right chain does not help a file that holds none.
    let nothing = ours.write("nothing.pem", "no certificate");
    tried.tls = tls(TlsMode::VerifyCa, Some(nothing));
    let failure = definite(open(&tried).await);
    assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
}
