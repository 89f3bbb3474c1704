//! One cluster for all tests of a binary.

use tokio::sync::OnceCell;

use crate::cluster::{Cluster, ClusterOptions};
use crate::error::Result;

static SHARED: OnceCell<Cluster> = OnceCell::const_new();

/// The cluster that all tests of this binary share, started by the first that asks. It has two tablet servers and is
/// ended with the process. Every test keeps to a database of its own and leaves all processes running as it found them;
/// a test that kills or freezes servers starts a cluster of its own.
pub async fn shared_cluster() -> Result<&'static Cluster> {
    let options = ClusterOptions { tablet_servers: 2, ..ClusterOptions::default() };
    SHARED.get_or_try_init(|| Cluster::start(options)).await
}
