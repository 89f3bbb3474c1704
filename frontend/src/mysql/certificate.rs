//! The certificates of the MySQL port.

use mysql_protocol::tls::Certificates;

use crate::config::Mysql;
use crate::{Error, Result};

/// The certificates, which a statement can have read again.
#[derive(Debug)]
pub struct Certificate(Certificates);

impl Certificate {
    /// Those of a configuration; where it names no files, one that is made now.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn of(config: &Mysql) -> Result<Self> {
        let files = (!config.tls_certificates.as_os_str().is_empty())
            .then(|| Certificates::from_files(&config.tls_certificates, &config.tls_key));
        files.unwrap_or_else(Certificates::self_signed).map(Self).map_err(unusable)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// The files cannot be used: the old certificates stay.
    pub fn reload(&self) -> Result<()> {
        self.0.reload().map_err(unusable)
    }

    /// What the port encrypts by.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.0
    }
}

fn unusable(told: String) -> Error {
    Error::WrongValue(format!("TLS of the MySQL port: {told}"))
}
