//! Queries that are read once, stay within limits, outlive a stop, and can be looked at.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bucket_is_read_once() {
    for count in 1..=3 {
        let cluster = Cluster::start(count).await;
        let name = format!("once_{count}");
        let context = context(vec![TestTable::new(&name, 12, 10)]);
        for (i, sql) in [
            format!("SELECT k FROM {name}"),
            format!("SELECT v, count(*) FROM {name} GROUP BY v"),
            format!("SELECT k FROM {name} ORDER BY v"),
        ]
        .iter()
        .enumerate()
        {
            cluster.run(cluster.query(plan(&context, sql).await)).await.unwrap();
            assert_eq!(leaf::reads(&name), [i + 1; 12], "{sql} on {count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_beyond_the_memory_is_too_large() {
    let section = Section { memory_bytes_max: 1 << 20, task_bytes_min: 0, ..Section::default() };
    for count in 1..=2 {
        let cluster = Cluster::start_with(count, section.clone()).await;
        let context = context(vec![TestTable::new("big", 12, 20_000), dimensions()]);
        let sql = "SELECT count(*) FROM big a JOIN big b ON a.k = b.k AND a.v = b.v";
        let failed = cluster.run(cluster.query(plan(&context, sql).await)).await;
        let failure = failed.map(|rows| lines(&rows)).unwrap_err();
        assert_eq!(failure.kind, Kind::TooLarge, "{count}: {failure:?}");
        let small = plan(&context, "SELECT count(*) FROM dim").await;
        // what the failed tasks held is freed when they end, a moment after the answer
        let free_again = async {
            while let Err(failure) = cluster.run(cluster.query(small.clone())).await {
                assert_eq!(failure.kind, Kind::TooLarge, "{count}: {failure:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, free_again).await.expect("the memory is free again");
    }
}

/// The rows are many more than lie in buffers, so the query waits for its client when the stop comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_runs_outlives_the_stop() {
    let mut cluster = Cluster::start(2).await;
    let name = "drained";
    let context = context(vec![TestTable { batches: 100, ..TestTable::new(name, 12, 5000) }]);
    let bytes = plan(&context, &format!("SELECT k, v FROM {name}")).await;
    let query = cluster.query(bytes.clone());
    let mut pieces = Box::pin(cluster.client.execute(query).await.unwrap());
    let Piece::Batch(first) = pieces.next().await.unwrap().unwrap() else { panic!("no rows") };
    // two partitions at each of the two: before that the home may still have to connect
    until("all tasks run", || leaf::running(name) == 4).await;
    let late = cluster.query(bytes);
    cluster.stop.cancel();
    let failure = Backends::default().execute(late).await.map(|_| ()).unwrap_err();
    assert_eq!(failure.kind, Kind::BackendLost, "{failure:?}");
    let drains = cluster.backends.drain(..).map(|backend| backend.drain(SOON * 4));
    let drained = tokio::spawn(futures::future::join_all(drains.collect::<Vec<_>>()));
    let mut rows = first.num_rows();
    let mut ended = false;
    while let Some(piece) = pieces.next().await {
        match piece.unwrap() {
            Piece::Batch(batch) => rows += batch.num_rows(),
            Piece::End(_) => ended = true,
        }
    }
    assert_eq!((rows, ended), (12 * 100 * 5000, true));
    drop(pieces);
    drained.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_shows_the_stages_of_a_query() {
    let cluster = Cluster::start(2).await;
    let bytes = plan(&context(vec![facts()]), "SELECT v, count(*) FROM fact GROUP BY v").await;
    let text = cluster.client.explain(cluster.query(bytes)).await.unwrap();
    assert_eq!(text.trim_end(), EXPLAINED.trim(), "\n{text}");
}

const EXPLAINED: &str = r"
┌───── DistributedExec
│ CoalescePartitionsExec
│   [Stage 2] => NetworkCoalesceExec: output_partitions=4, input_tasks=2
└──────────────────────────────────────────────────
  ┌───── Stage 2 ── tasks=2, partitions=2
  │ GuardExec
  │   ProjectionExec: expr=[v@0 as v, count(Int64(1))@1 as count(*)]
  │     AggregateExec: mode=FinalPartitioned, gby=[v@0 as v], aggr=[count(Int64(1))]
  │       [Stage 1] => NetworkShuffleExec: output_partitions=2, input_tasks=2
  └──────────────────────────────────────────────────
    ┌───── Stage 1 ── tasks=2, partitions=4
    │ RepartitionExec: partitioning=Hash([v@0], 4), input_partitions=2
    │   AggregateExec: mode=Partial, gby=[v@0 as v], aggr=[count(Int64(1))]
    │     DistributedLeafExec:
    │       t0: TestScanExec: fact
    │       t1: TestScanExec: fact
    └──────────────────────────────────────────────────
";
