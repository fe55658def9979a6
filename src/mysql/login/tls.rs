//! TLS as MySQL's clients mean it: `preferred` and `required` encrypt and verify nothing, `verify_ca` verifies
//! the chain, `verify_identity` also the name.
//!
//! Whatever is not verified, the peer must hold the key of the certificate that it shows. A certificate of ours is
//! shown where the server asks for one. Files are read at each connect: they may have been renewed. Not here: whether
//! the server offers TLS.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, aws_lc_rs::default_provider, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

use crate::{
    certificates,
    mysql::{
        error::Error,
        options::{ClientCertificate, TlsMode, TlsPlan},
        packets::Wire,
    },
};

/// Encrypts `wire`, to the host called `host`.
pub async fn encrypt(
    wire: Box<dyn Wire>,
    connector: TlsConnector,
    host: &str,
) -> Result<Box<dyn Wire>, Error> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| Error::HostName(host.to_owned()))?;
    let encrypted = connector.connect(name, wire).await;
    Ok(Box::new(encrypted.map_err(Error::Handshake)?))
}

/// Reads all files that the plan names.
pub fn connector(tls: &TlsPlan) -> Result<TlsConnector, Error> {
    config(tls).map(|config| TlsConnector::from(Arc::new(config)))
}

fn config(tls: &TlsPlan) -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let any_name = |chain| AnyName {
        chain,
        provider: Arc::clone(&provider),
    };
    let verifier: Arc<dyn ServerCertVerifier> = match tls.mode {
        TlsMode::Disabled | TlsMode::Preferred | TlsMode::Required => Arc::new(any_name(None)),
        TlsMode::VerifyCa => Arc::new(any_name(Some(verifier(tls, &provider)?))),
        TlsMode::VerifyIdentity => verifier(tls, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| broken("protocol versions".to_owned(), error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(ClientCertificate {
        cert_file,
        key_file,
    }) = &tls.client
    else {
        return Ok(builder.with_no_client_auth());
    };
    let key = certificates::private_key(key_file)?;
    let chain = certificates::chain(cert_file)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        let (cert_file, key_file) = (cert_file.display(), key_file.display());
        broken(
            format!("certificate in \"{cert_file}\" with the key in \"{key_file}\""),
            error,
        )
    })
}

fn verifier(
    tls: &TlsPlan,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let roots = certificates::authorities(tls.ca_file.as_deref())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| certificates::Error::new("certificates to trust".to_owned(), error).into())
}

fn broken(what: String, error: rustls::Error) -> Error {
    certificates::Error::new(what, error).into()
}

/// Looks at what the mode asks for, never at the name.
#[derive(Debug)]
struct AnyName {
    /// None: encryption without a look at who is there.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The verifier looks at the chain first, so a wrong name says that the chain is right.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
