//! What is known of a lake's table before it is read never changes an answer.

use integration_tests::Deployment;

use crate::lake_s3::{create_catalog, warehouse};

async fn millrace() -> Deployment {
    let millrace = Deployment::start(0).await.unwrap();
    let local = warehouse().canonicalize().unwrap();
    let local = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    create_catalog(&millrace, "lake", &local).await;
    millrace
}

async fn explained(millrace: &Deployment, sql: &str) -> Vec<String> {
    let lines = millrace.sql(&format!("EXPLAIN {sql}")).await.unwrap();
    lines.into_iter().map(|line| line.join(" ")).collect()
}

#[tokio::test]
async fn an_estimate_is_no_answer() {
    let millrace = millrace().await;
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

/// Counts, smallest and largest values come from metadata where they are proven, and are what is read.
#[tokio::test]
async fn proven_values_are_answered_without_reading() {
    let millrace = millrace().await;
    let of_all = |column: &str| format!("count(*), count({column}), min({column}), max({column})");
    for (table, column, proven) in [
        ("analyzed_facts", "k", true),
        ("analyzed_facts", "v", true),
        ("append_plain", "id", true),
        ("append_partitioned", "day", true),
        // cut strings, floats, hidden rows, superseded rows, files of other schemas
        ("analyzed_facts", "s", false),
        ("append_plain", "v", false),
        ("pk_dv", "id", false),
        ("pk_overlap", "v", false),
        ("evolution", "id", false),
    ] {
        let from = format!("FROM lake.lake.{table}");
        let sql = format!("SELECT {} {from}", of_all(column));
        let plan = explained(&millrace, &sql).await.join("\n");
        assert_eq!(!plan.contains("UnionReadExec"), proven, "{plan}");
        // nothing is proven of rows that a filter chooses
        let read = format!("SELECT {} {from} WHERE rand() >= 0", of_all(column));
        let plan = explained(&millrace, &read).await.join("\n");
        assert!(plan.contains("UnionReadExec"), "{plan}");
        let told = millrace.sql(&sql).await.unwrap();
        assert_eq!(told, millrace.sql(&read).await.unwrap(), "{table}.{column}");
    }
}

/// Few different values make a join large: the third table is then the smaller side.
#[tokio::test]
async fn analysis_decides_which_side_of_a_join_is_built() {
    let millrace = millrace().await;
    let build_side = async |facts: &str| {
        let sql = format!(
            "SELECT count(*) FROM lake.lake.{facts} f JOIN lake.lake.analyzed_small s ON f.k = s.k \
             JOIN lake.lake.analyzed_middle m ON f.v = m.v"
        );
        let plan = explained(&millrace, &sql).await;
        let joins = plan.iter().enumerate().filter(|(_, line)| line.contains("HashJoinExec"));
        let (outer, _) =
            joins.min_by_key(|(_, line)| line.len() - line.trim_start().len()).unwrap();
        // the first input is the side that is built
        let first = plan[outer + 1..]
            .iter()
            .find(|line| line.contains("HashJoinExec") || line.contains("UnionReadExec"));
        let rows = millrace.sql(&sql).await.unwrap();
        (first.unwrap().contains("analyzed_middle"), rows)
    };
    let (analysed, rows) = build_side("analyzed_facts").await;
    let (guessed, same) = build_side("analyzed_not").await;
    assert_eq!(rows, same);
    assert!(analysed && !guessed, "{analysed} {guessed}");
}
