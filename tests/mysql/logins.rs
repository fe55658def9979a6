//! Logging in on the dump's own connection: every way in which a password can go, every mode of TLS, and the
//! same words as the other connections when it is refused.

use std::path::{Path, PathBuf};

use headwater::{
    mysql::{SourcePlan, TlsMode, connect::connect, dump::Connection},
    secret::Secret,
};
use headwater_actors::failure::{Code, Failure};
use headwater_harness::mysql::{GRANTS, MySql};
use mysql_async::prelude::Queryable;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::log::{Reading, definite, plan, tls};

/// The account that the server knows this connection by, and its cipher; none without TLS.
async fn logged_in(plan: &SourcePlan) -> (String, Option<String>) {
    let mut connection = Connection::open(plan, &plan.hosts[0])
        .await
        .expect("a connection");
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
    plan.password = Secret::new(password);
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
    let theirs = definite(connect(&plain).await);
    let ours = definite(Connection::open(&plain, &plain.hosts[0]).await);
    assert_eq!(ours, theirs);
    let hint = ours.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("allow_public_key_retrieval"), "{hint}");
    // From here on the server knows the hash.
    logged_in(&encrypted).await;
    logged_in(&plain).await;
    let mut driver = connect(&plain).await.expect("logged in by hash");
    driver.query_drop("SELECT 1").await.expect("an answer");
}

#[tokio::test]
async fn without_its_key_a_server_takes_a_known_hash_in_the_clear_and_nothing_else() {
    let server = MySql::with(&["--caching-sha2-password-private-key-path=none.pem"])
        .await
        .expect("a server");
    let mut plan = account(&server, "ann", "let-it-flow").await;
    plan.tls = tls(TlsMode::Disabled, None);
    plan.tls.allow_public_key_retrieval = true;
    assert!(Connection::open(&plan, &plan.hosts[0]).await.is_err());
    plan.tls = tls(TlsMode::Required, None);
    assert!(Connection::open(&plan, &plan.hosts[0]).await.is_ok());
    plan.tls = tls(TlsMode::Disabled, None);
    assert!(Connection::open(&plan, &plan.hosts[0]).await.is_ok());
}

#[tokio::test]
async fn a_refused_login_is_told_in_the_words_of_the_other_connections() {
    let server = MySql::start().await.expect("a server");
    let good = plan(&server);
    let mut wrong = good.clone();
    wrong.password = Secret::new("not-it");
    let mut unknown = good.clone();
    unknown.user = "nobody".into();
    let mut foreign = account(&server, "foreign", "let-it-flow").await;
    server
        .exec(
            "CREATE USER sha256@'%' IDENTIFIED WITH sha256_password BY 'let-it-flow';
             CREATE USER locked@'%' IDENTIFIED BY 'let-it-flow' ACCOUNT LOCK;
             CREATE USER secure@'%' IDENTIFIED BY 'let-it-flow' REQUIRE SSL",
        )
        .await
        .expect("users");
    foreign.user = "sha256".into();
    let mut locked = foreign.clone();
    locked.user = "locked".into();
    let mut secure = foreign.clone();
    secure.user = "secure".into();
    secure.tls = tls(TlsMode::Disabled, None);
    let mut trusting = good.clone();
    trusting.tls = tls(TlsMode::VerifyIdentity, None);
    for refused in [wrong, unknown, foreign, locked, secure, trusting] {
        let theirs = definite(connect(&refused).await);
        let ours = definite(Connection::open(&refused, &refused.hosts[0]).await);
        assert_eq!(ours, theirs, "{}", refused.user);
    }
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_where_the_mode_allows_it() {
    let server = MySql::with(&["--tls-version="]).await.expect("a server");
    let mut tried = plan(&server);
    for mode in [TlsMode::Disabled, TlsMode::Preferred] {
        tried.tls = tls(mode, None);
        let failure = definite(connect(&tried).await);
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
        let failure = definite(Connection::open(&tried, &tried.hosts[0]).await);
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

    async fn server(&self, name: &str) -> MySql {
        let options = self.options(name);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        MySql::with(&options).await.expect("a server")
    }
}

/// The connection for questions and the one for the dump.
async fn both(plan: &SourcePlan) -> [Result<(), Failure>; 2] {
    [
        connect(plan).await.map(drop),
        Connection::open(plan, &plan.hosts[0]).await.map(drop),
    ]
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
            for failure in both(&tried).await.map(definite) {
                assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
                assert!(failure.to_string().contains("UnknownIssuer"), "{failure}");
            }
        }
    }

    let server = ours.server("db.example.com").await;
    let mut tried = plan(&server);
    tried.tls = tls(TlsMode::VerifyCa, Some(ours.ca_file()));
    Reading::start(&tried).await;
    tried.tls = tls(TlsMode::VerifyCa, Some(strange.ca_file()));
    for failure in both(&tried).await.map(definite) {
        assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
    }
    tried.tls = tls(TlsMode::VerifyIdentity, Some(ours.ca_file()));
    for failure in both(&tried).await.map(definite) {
        assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
        assert!(failure.to_string().contains("db.example.com"), "{failure}");
    }
    // A right chain does not help a file that holds none.
    let nothing = ours.write("nothing.pem", "no certificate");
    tried.tls = tls(TlsMode::VerifyCa, Some(nothing));
    for failure in both(&tried).await.map(definite) {
        assert_eq!(failure.code, Some(Code::Certificate), "{failure}");
    }
}
