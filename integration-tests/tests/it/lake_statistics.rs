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
        // of this one pruning leaves files
        (
            "SELECT count(DISTINCT k), count(DISTINCT v) FROM lake.lake.analyzed_facts WHERE k = 5 AND v = 4",
            "0 0",
        ),
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

/// The same of every column of every table.
#[tokio::test]
async fn answers_from_metadata_are_those_of_reading() {
    let millrace = millrace().await;
    let (mut same, mut proven) = (0, 0);
    for table in millrace.sql("SHOW TABLES FROM lake.lake").await.unwrap() {
        let name = format!("lake.lake.`{}`", table[0]);
        let Ok(columns) = millrace.sql(&format!("DESC {name}")).await else { continue };
        for column in columns {
            let column = format!("`{}`", column[0]);
            let sql = format!("SELECT count({column}), min({column}), max({column}) FROM {name}");
            let Ok(read) = millrace.sql(&format!("{sql} WHERE rand() >= 0")).await else {
                continue;
            };
            assert_eq!(millrace.sql(&sql).await.unwrap(), read, "{sql}");
            same += 1;
            let plan = explained(&millrace, &sql).await.join("\n");
            proven += usize::from(!plan.contains("UnionReadExec"));
        }
    }
    assert!(same > 60 && proven > 15, "{same} {proven}");
}

/// What is exact of a table is not of what a statement makes of it.
#[tokio::test]
async fn statistics_of_a_table_are_not_those_of_a_join() {
    let millrace = millrace().await;
    for sql in [
        "SELECT count(*), count(f.v), min(f.v), max(f.v) FROM {facts} f JOIN {middle} m ON f.v = m.k",
        "SELECT count(*), count(m.v), min(m.v) FROM {facts} f LEFT JOIN {middle} m ON f.v = m.k + 1",
        "SELECT count(*), count(f.v), max(f.v) FROM {facts} f, {small} s",
        "SELECT count(*), min(f.k) FROM {facts} f WHERE f.k NOT IN (SELECT k FROM {small} s WHERE k < 2)",
        "SELECT count(*), max(f.v) FROM {facts} f WHERE EXISTS (SELECT 1 FROM {middle} m WHERE m.k = f.v)",
        "SELECT count(*), min(v), max(v) FROM (SELECT v FROM {facts} f UNION ALL SELECT v FROM {small} s) u",
        "SELECT count(*), min(v), max(v) FROM (SELECT v FROM {facts} f ORDER BY k, v DESC LIMIT 7) u",
        "SELECT count(*), count(v), max(n) FROM (SELECT v, count(*) n FROM {facts} f GROUP BY v) u",
        "SELECT min(cast(v AS CHAR)), max(cast(v AS CHAR)), max(-v), min(v + k) FROM {facts} f",
        "SELECT count(*), min(k), max(k) FROM {facts} f WHERE k > 3000000",
        "SELECT count(*), min(k), max(k) FROM {facts} f WHERE k >= 3000000",
        "SELECT count(DISTINCT k), count(DISTINCT v), max(k) FROM {facts} f WHERE k < 0",
        "SELECT sum(v), avg(v), min(v) FROM {facts} f WHERE v IS NULL",
    ] {
        let with = |table: &dyn Fn(&str) -> String| {
            let tables = ["facts", "small", "middle"];
            let replace = |sql: String, name: &&str| {
                sql.replace(&format!("{{{name}}}"), &table(&format!("lake.lake.analyzed_{name}")))
            };
            tables.iter().fold(sql.to_owned(), replace)
        };
        let told = millrace.sql(&with(&|table| table.to_owned())).await.unwrap();
        // of rows that a filter chooses nothing is exact
        let read = with(&|table| format!("(SELECT * FROM {table} WHERE rand() >= 0)"));
        assert_eq!(told, millrace.sql(&read).await.unwrap(), "{sql}");
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
