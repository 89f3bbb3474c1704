//! TLS of the server: certificates from files, or one made at the start as MySQL does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of a port, which can be read again from their files while it is open.
#[derive(Debug, Clone)]
pub struct Certificates {
    files: Option<(PathBuf, PathBuf)>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate that the next connection is shown.
struct Current(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(***)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// A chain of certificates and a key, in PEM files.
    ///
    /// # Errors
    /// A text that names the file.
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Self, String> {
        let certified = read(certificates, key)?;
        Self::new(Some((certificates.into(), key.into())), certified)
    }

    /// A certificate that is made now and signed by itself: it keeps passers-by from reading, and proves nothing.
    ///
    /// # Errors
    /// A text.
    pub fn self_signed() -> Result<Self, String> {
        Self::new(None, make()?)
    }

    fn new(files: Option<(PathBuf, PathBuf)>, certified: CertifiedKey) -> Result<Self, String> {
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        Ok(Self { files, current, config: Arc::new(config) })
    }

    /// What connections are encrypted by.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Reads the files again, or makes another certificate where there are none. Connections that there are keep theirs.
    ///
    /// # Errors
    /// A text that names the file; the old certificates stay.
    pub fn reload(&self) -> Result<(), String> {
        let certified = match &self.files {
            Some((certificates, key)) => read(certificates, key)?,
            None => make()?,
        };
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        Ok(())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(certificates: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let wrong = |path: &Path, e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(certificates, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &e))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|e| wrong(certificates, &e))
}

fn make() -> Result<CertifiedKey, String> {
    let names = vec!["localhost".to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| e.to_string())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    CertifiedKey::from_der(vec![made.cert.der().clone()], key.into(), &provider())
        .map_err(|e| e.to_string())
}
