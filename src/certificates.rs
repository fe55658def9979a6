//! Certificates and keys out of files: what both kinds of TLS connections, to MySQL and to a warehouse, read.
//!
//! A file is read at each connect, for it may have been renewed. It has a limit, and one without a certificate is an
//! error: an empty list of authorities would trust nobody, and say so much later.

use std::{error::Error as StdError, fs::File, io::Read, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

const FILE_BYTES_MAX: u64 = 4 << 20;

/// A file or certificate that cannot be used; `source` says why.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    pub what: String,
    pub source: Box<dyn StdError + Send + Sync>,
}

impl Error {
    pub fn new(what: String, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            what,
            source: source.into(),
        }
    }
}

/// The authorities that may sign a server's certificate: those of the file, or without one those that browsers trust.
///
/// # Errors
/// When the file cannot be read, or a certificate in it is none.
pub fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    for certificate in chain(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| Error::new(certificates_in(path), error))?;
    }
    Ok(roots)
}

/// At least one.
///
/// # Errors
/// When the file cannot be read, has none, or has one that is broken.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path, || certificates_in(path))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| Error::new(certificates_in(path), error))?;
    if found.is_empty() {
        let none = rustls::Error::NoCertificatesPresented;
        return Err(Error::new(certificates_in(path), none));
    }
    Ok(found)
}

/// # Errors
/// When the file cannot be read, or has no private key.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let what = || format!("private key in \"{}\"", path.display());
    let key = PrivateKeyDer::from_pem_slice(&read(path, what)?);
    key.map_err(|error| Error::new(what(), error))
}

fn certificates_in(path: &Path) -> String {
    format!("certificates in \"{}\"", path.display())
}

fn read(path: &Path, what: impl Fn() -> String) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| {
        let mut file = file.take(FILE_BYTES_MAX + 1);
        file.read_to_end(&mut text)
    });
    read.map_err(|error| Error::new(what(), error))?;
    if FILE_BYTES_MAX < text.len() as u64 {
        let long = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(Error::new(what(), long));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(text: &[u8]) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ca.pem");
        fs::write(&path, text).expect("is written");
        let error = authorities(Some(&path)).expect_err("is refused");
        assert!(error.what.contains("ca.pem"), "{error}");
        error.source.to_string()
    }

    #[test]
    fn a_file_without_a_usable_certificate_is_refused_and_named() {
        assert!(refused(b"").contains("no certificates"));
        assert!(refused(b"no PEM at all").contains("no certificates"));
        refused(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        refused(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let long = vec![b'\n'; FILE_BYTES_MAX as usize + 1];
        assert!(refused(&long).contains("more than 4194304 bytes"));
    }

    #[test]
    fn without_a_file_the_authorities_of_browsers_are_trusted() {
        assert!(!authorities(None).expect("built in").is_empty());
        let missing = Path::new("/nowhere/ca.pem");
        let error = authorities(Some(missing)).expect_err("is refused");
        assert!(error.what.contains("/nowhere/ca.pem"), "{error}");
    }
}
