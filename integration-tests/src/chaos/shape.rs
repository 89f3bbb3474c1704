//! Changes of the tables' shape, each together with what the checker must know of it.

use std::time::{Duration, Instant};

use fluss::client::FlussAdmin;
use fluss::metadata::{AddColumn, AlterTableChanges, ColumnPositionType, TablePath};
use rand::Rng;
use rand::rngs::StdRng;

use crate::checker::workload::{KeyTable, added_column};
use crate::cluster::Cluster;
use crate::error::{IoContext, LabError, Result};
use crate::wait::request;

/// The longest that one change may take, its repetitions included.
const LIMIT: Duration = Duration::from_secs(90);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// After which a table without leaders is created anew.
const OVERLOOKED: Duration = Duration::from_secs(10);
/// What the tiering job gets to notice that a table is gone.
const TIERING_LEAVES: Duration = Duration::from_secs(3);
/// Columns added to one table at the most.
const ADDED_MAX: u16 = 6;
/// How long a dropped partition stays away, milliseconds.
const AWAY_MS: std::ops::Range<u64> = 500..4000;

/// Adds a column to a table; `false`: it has enough.
pub(super) async fn add_column(cluster: &Cluster, table: &KeyTable) -> Result<bool> {
    let _alone = table.gate.write().await;
    let number = table.keys.lock().added();
    if number >= ADDED_MAX {
        return Ok(false);
    }
    let name = added_column(number);
    let done = async |admin: &FlussAdmin| {
        let info = request("get table", admin.get_table_info(table.spec.path())).await?;
        if info.get_schema().column_names().contains(&name.as_str()) {
            return Ok(());
        }
        let column = AddColumn {
            column_name: name.clone(),
            data_type_json: br#"{"type":"BIGINT","nullable":true}"#.to_vec(),
            comment: None,
            position: ColumnPositionType::Last,
        };
        let changes = AlterTableChanges { add_columns: vec![column], ..Default::default() };
        request("add a column", admin.alter_table(table.spec.path(), false, changes)).await
    };
    until_done(cluster, "add a column", done).await?;
    table.keys.lock().add_column();
    Ok(true)
}

/// Drops a partition and creates it again after a while.
pub(super) async fn drop_partition(
    cluster: &Cluster,
    table: &KeyTable,
    random: &mut StdRng,
) -> Result<()> {
    let Some(partitions) = table.partitions else {
        return Err(LabError::Misuse(format!("{} has no partitions", table.name)));
    };
    let number = random.random_range(0..partitions);
    let (value, path) = (number.to_string(), table.spec.path());
    let _alone = table.gate.write().await;
    table.keys.lock().forget(|key| key as i64 % partitions == number);
    until_done(cluster, "drop a partition", async |_| {
        cluster.drop_partition(path, &[("p", &value)]).await
    })
    .await?;
    tokio::time::sleep(Duration::from_millis(random.random_range(AWAY_MS))).await;
    until_done(cluster, "add a partition", async |admin| {
        table.spec.add_partition(admin, &[("p", &value)]).await
    })
    .await
}

/// Waits a little for the leaders of a new table: a coordinator of 0.9.1 may overlook it for ever.
async fn leaders(cluster: &Cluster, path: &TablePath) -> Result<()> {
    let began = Instant::now();
    loop {
        match cluster.log_ends(path).await {
            Err(_) if began.elapsed() < OVERLOOKED => tokio::time::sleep(PAUSE).await,
            ends => return ends.map(drop),
        }
    }
}

/// Drops a table together with its lake, and creates it again under the same name.
pub(super) async fn recreate(cluster: &Cluster, table: &KeyTable) -> Result<()> {
    let _alone = table.gate.write().await;
    let path = table.spec.path();
    table.keys.lock().begin_creation();
    let lake = cluster.warehouse().join(format!("{}.db", path.database())).join(path.table());
    until_done(cluster, "re-create a table", async |admin| {
        request("drop table", admin.drop_table(path, true)).await?;
        // the tiering job would die of a directory that goes while it writes there
        tokio::time::sleep(TIERING_LEAVES).await;
        // a lake table stays when its table goes, and would be in the way of the new one
        match std::fs::remove_dir_all(&lake) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).doing(|| format!("remove {}", lake.display()));
            }
            _ => {}
        }
        table.spec.create_new(admin).await?;
        leaders(cluster, path).await
    })
    .await?;
    table.keys.lock().end_creation();
    Ok(())
}

/// Tries until it is done: a request whose answer was lost may have been served.
async fn until_done(
    cluster: &Cluster,
    what: &str,
    attempt: impl AsyncFn(&FlussAdmin) -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let tried = match cluster.admin().await {
            Ok(admin) => attempt(&admin).await,
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(error) if began.elapsed() > LIMIT => {
                return Err(LabError::Timeout {
                    condition: what.to_owned(),
                    limit: LIMIT,
                    seen: error.to_string(),
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
