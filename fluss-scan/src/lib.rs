//! fluss-scan
