//! Lake tables that keep another version of a key than the one that was written last.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Deployment, TableSpec, Value, Writer};
use mysql_async::prelude::Queryable;

const TIERED: Duration = Duration::from_secs(90);

async fn refusal(millrace: &Deployment, sql: &str) -> String {
    match millrace.sql(sql).await {
        Err(mysql_async::Error::Server(error)) if error.code == 1235 => error.message,
        answer => panic!("{sql}: {answer:?}"),
    }
}

/// Options of Paimon, which Fluss hands on to the lake: a tail, whose last record of a key counts, cannot continue such a
/// table. What the lake holds and what Fluss holds can be read.
#[tokio::test]
async fn a_lake_with_other_rules_is_not_continued_by_its_log() {
    let (cluster, millrace) = crate::union_read::millrace().await;
    // the last: what the lake shows of ten rows in files of level 0, which Paimon leaves out of tables of first rows
    for (name, option, value, engine, in_lake) in [
        ("first_row", "merge-engine", "first-row", "first-row", 0),
        ("partial_update", "merge-engine", "partial-update", "partial-update", 10),
        ("aggregation", "merge-engine", "aggregation", "aggregation", 10),
        ("sequence", "sequence.field", "v", "deduplicate", 10),
        ("ignore_delete", "ignore-delete", "true", "deduplicate", 10),
    ] {
        let spec = TableSpec::new("rules", name)
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .primary_key(["id"])
            .buckets(2)
            .lake(Duration::from_secs(1))
            .property(&format!("paimon.{option}"), value)
            // first rows have no changelog of what came in, which is what Fluss asks for
            .property("paimon.changelog-producer", "none");
        cluster.create_table(&spec).await.unwrap();
        let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
        // inserts alone: some of these lakes take nothing else from the tiering service
        for id in 0..10i64 {
            writer.write(&[id.into(), Value::BigInt(1)]).await.unwrap();
        }
        writer.flush().await.unwrap();
        cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
        let table = format!("fluss.rules.{name}");
        for asked in ["*", "count(*)", "max(v)"] {
            let told = refusal(millrace, &format!("SELECT {asked} FROM {table}")).await;
            for part in [
                &format!(
                    "the lake table of rules.{name} does not keep the version that was written last"
                ),
                &format!("merge-engine = '{engine}'"),
                &format!("rules.{name}$lake can be read"),
            ] {
                assert!(told.contains(part), "{name}: {told}");
            }
        }
        for (suffix, expected) in [("$lake", in_lake), ("$rt", 10)] {
            let rows = millrace.sql(&format!("SELECT count(v) FROM {table}{suffix}")).await;
            assert_eq!(rows.unwrap(), [[expected.to_string()]], "{name}{suffix}");
        }
        let mut session = millrace.connect().await.unwrap();
        session.query_drop("SET union_read_path = kv_and_tail").await.unwrap();
        let rows = query(&mut session, &format!("SELECT count(*), sum(v) FROM {table}")).await;
        assert_eq!(rows.unwrap(), [["10", "10"]], "{name} from Fluss alone");
    }
}
