//! paimon-scan
