//! What is known of a lake's table before it is read never changes an answer.

use integration_tests::Deployment;

use crate::lake_s3::{create_catalog, warehouse};

#[tokio::test]
async fn an_estimate_is_no_answer() {
    let millrace = Deployment::start(0).await.unwrap();
    let local = warehouse().canonicalize().unwrap();
    let local = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    create_catalog(&millrace, "lake", &local).await;
    // 113 keys; a value that no row has may lie inside of what a column holds
    let absent = "v = 987654";
    for (sql, expected) in [
        ("SELECT count(DISTINCT id), count(DISTINCT v) FROM t WHERE id = 987654 AND v = 4", "0 0"),
        ("SELECT count(DISTINCT id), count(DISTINCT v) FROM t WHERE id = 1 AND ABSENT", "0 0"),
        ("SELECT count(DISTINCT id), count(DISTINCT v) FROM t WHERE id > 987654", "0 0"),
        ("SELECT count(DISTINCT id), count(v) FROM t WHERE id = 987654", "0 0"),
        ("SELECT count(*) FROM (SELECT id FROM t WHERE id = 987654 GROUP BY id) x", "0"),
        ("SELECT count(*) FROM (SELECT DISTINCT v FROM t WHERE ABSENT) x", "0"),
        ("SELECT count(*), count(v), min(v), max(id) FROM t WHERE ABSENT", "0 0 NULL NULL"),
        ("SELECT count(*) FROM t a JOIN t b ON a.id = b.id WHERE a.ABSENT", "0"),
        ("SELECT count(*) FROM t a JOIN t b ON a.id = b.id", "113"),
        ("SELECT count(*), count(DISTINCT id) FROM t", "113 113"),
        ("SELECT count(*) FROM (SELECT id FROM t LIMIT 5) x", "5"),
        ("SELECT count(*) FROM (SELECT id FROM t ORDER BY v LIMIT 5) x", "5"),
        ("SELECT count(*) FROM t WHERE id = 1 AND id = 2", "0"),
    ] {
        let sql = sql.replace("ABSENT", absent).replace(" t ", " lake.lake.pk_compacted ");
        let sql = match sql.strip_suffix(" t") {
            Some(head) => format!("{head} lake.lake.pk_compacted"),
            None => sql,
        };
        let rows = millrace.sql(&sql).await.unwrap();
        assert_eq!(rows.len(), 1, "{sql}");
        assert_eq!(rows[0].join(" "), expected, "{sql}");
    }
}
