//! Views: what they answer, what they are told as, and what is refused of them.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Deployment, TableSpec, Writer, shared_cluster};
use mysql_async::Conn;

use crate::lake_s3::{create_catalog, warehouse};

const TIERED: Duration = Duration::from_secs(90);

/// A lake on this disk as the catalog `lake`, and a session in its database.
async fn session(sets: &[&str]) -> (Deployment, Conn) {
    let millrace = Deployment::start_with(0, sets).await.unwrap();
    let local = warehouse().canonicalize().unwrap();
    let local = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    create_catalog(&millrace, "lake", &local).await;
    let mut session = millrace.connect().await.unwrap();
    query(&mut session, "USE lake.lake").await.unwrap();
    (millrace, session)
}

/// Runs statements in order. Each must give these rows (cells joined by `|`, rows by `;`), or an error that tells this after `!`.
async fn script(session: &mut Conn, steps: &[(&str, &str)]) {
    for (sql, wanted) in steps {
        let got = match query(session, sql).await {
            Ok(rows) => rows.iter().map(|row| row.join("|")).collect::<Vec<_>>().join(";"),
            Err(mysql_async::Error::Server(error)) => format!("!{} {}", error.code, error.message),
            Err(error) => panic!("{sql}: {error}"),
        };
        let fits = match wanted.strip_prefix('!') {
            Some(_) => {
                got.starts_with(wanted.split('…').next().unwrap())
                    && wanted.split('…').all(|part| got.contains(part))
            }
            None => got == *wanted,
        };
        assert!(fits, "{sql}\nwanted {wanted}\ngot    {got}");
    }
}

#[tokio::test]
async fn a_view_answers_as_its_text_would() {
    let (millrace, mut session) = session(&[]).await;
    let all = "SELECT id, v, s FROM pk_compacted ORDER BY id";
    script(&mut session, &[("CREATE VIEW facts AS SELECT * FROM pk_compacted", "")]).await;
    let direct = query(&mut session, all).await.unwrap();
    assert_eq!(query(&mut session, &all.replace("pk_compacted", "facts")).await.unwrap(), direct);
    script(
        &mut session,
        &[
            ("SELECT count(*) FROM facts", "113"),
            // found in any case, columns too; what has no alias is labelled as a client sees it
            ("CREATE VIEW Totals AS SELECT v % 2 AS Odd, count(*), sum(v) `the sum` FROM Facts WHERE v IS NOT NULL GROUP BY v % 2", ""),
            ("SELECT t.odd, `count(*)` > 0, t.`the sum` = (SELECT sum(v) FROM pk_compacted WHERE v % 2 = 1) FROM totals t WHERE ODD = 1", "1|1|1"),
            // names, and no more columns than there are
            ("CREATE VIEW named (a, B COMMENT 'second') COMMENT 'two' AS SELECT id, s FROM pk_compacted WHERE id = 1 UNION ALL SELECT 2, 'x'", ""),
            ("SELECT a, b FROM named WHERE a = 2", "2|x"),
            ("SELECT n.* FROM named n JOIN facts f ON n.a = f.id WHERE f.id = 2", "2|x"),
            ("CREATE VIEW wrong (a) AS SELECT id, s FROM pk_compacted", "!1105 …2"),
            ("CREATE VIEW wrong AS SELECT id AS x, v AS `X` FROM pk_compacted", "!1105 Duplicate column name"),
            // ordered and limited inside, and not by what the session asks of its own results
            ("CREATE VIEW few AS (SELECT id FROM pk_compacted ORDER BY id LIMIT 3)", ""),
            ("SET sql_select_limit = 1", ""),
            ("SELECT count(*) FROM few", "3"),
            ("SET sql_select_limit = DEFAULT", ""),
            // what decided its meaning when it was created decides it now
            ("SET sql_mode = 'PIPES_AS_CONCAT'", ""),
            ("CREATE VIEW texts AS SELECT 'a' || 'b' AS t FROM few", ""),
            ("SET sql_mode = DEFAULT", ""),
            ("SELECT DISTINCT t FROM texts", "ab"),
            ("USE lake.information_schema", ""),
            ("SELECT count(*) FROM lake.lake.facts", "113"),
            ("SELECT count(*) FROM lake.few", "3"),
            ("SELECT count(*) FROM `lake.lake`.`totals`", "2"),
            // and the zone and the user are the session's
            ("CREATE VIEW lake.who AS SELECT user() AS u, '2024-01-01' AS d", ""),
            ("SELECT u LIKE 'root@%', d FROM lake.who", "1|2024-01-01"),
            ("USE lake.lake", ""),
            ("EXPLAIN SELECT 1 FROM nothing", "!1146 "),
            ("CREATE VIEW old AS SELECT count(*) AS n FROM pk_compacted FOR VERSION AS OF 1 x", ""),
            ("SELECT o.n = (SELECT count(*) FROM pk_compacted FOR VERSION AS OF 1) FROM old o", "1"),
        ],
    )
    .await;
    // and after a restart
    millrace.restart_frontend().await.unwrap();
    let again = millrace.sql("SELECT count(*) FROM lake.lake.totals").await.unwrap();
    assert_eq!(again, [["2"]]);
}

#[tokio::test]
async fn a_view_is_told_wherever_a_table_is() {
    let (_millrace, mut session) = session(&[]).await;
    script(
        &mut session,
        &[
            ("CREATE VIEW Sums (k, total COMMENT 'of v') COMMENT 'all of them' AS /* why */ SELECT id, cast(v AS decimal(12,2)) FROM pk_compacted", ""),
            ("SHOW TABLES LIKE 's%'", "Sums"),
            ("SHOW FULL TABLES LIKE '_u%'", "Sums|VIEW"),
            ("SELECT table_schema, table_name, table_type, engine FROM information_schema.tables WHERE table_name IN ('Sums', 'pk_dv')",
             "lake|Sums|VIEW|NULL;lake|pk_dv|BASE TABLE|MILLRACE"),
            ("SELECT table_schema, table_type FROM default_catalog.information_schema.tables WHERE table_schema = 'lake.lake' AND table_name = 'Sums'",
             "lake.lake|VIEW"),
            ("SELECT view_definition, is_updatable FROM information_schema.views WHERE table_schema = 'lake'",
             "SELECT id, cast(v AS decimal(12,2)) FROM pk_compacted|NO"),
            ("DESC sums", "k|bigint|NO||NULL|;total|decimal(12,2)|YES||NULL|"),
            ("SHOW FULL COLUMNS FROM sums LIKE 'total'", "total|decimal(12,2)|NULL|YES||NULL||select|of v"),
            ("SELECT column_name, ordinal_position, column_type, column_key FROM information_schema.columns WHERE table_name = 'Sums'",
             "k|1|bigint|;total|2|decimal(12,2)|"),
            ("SHOW INDEX FROM sums", ""),
            ("SELECT count(*) FROM information_schema.tables_config WHERE table_name = 'Sums'", "0"),
            ("SHOW TABLE STATUS WHERE Comment = 'VIEW' AND Name = 'Sums'",
             "Sums|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|VIEW"),
            ("SHOW CREATE VIEW sums",
             "Sums|CREATE VIEW `Sums` (`k`, `total` COMMENT \"of v\") COMMENT \"all of them\" AS SELECT id, cast(v AS decimal(12,2)) FROM pk_compacted|utf8mb4|utf8mb4_bin"),
            ("SHOW CREATE TABLE sums",
             "Sums|CREATE VIEW `Sums` (`k`, `total` COMMENT \"of v\") COMMENT \"all of them\" AS SELECT id, cast(v AS decimal(12,2)) FROM pk_compacted|utf8mb4|utf8mb4_bin"),
            ("SHOW CREATE VIEW pk_dv", "!1347 "),
            ("SHOW CREATE VIEW nothing", "!1146 "),
        ],
    )
    .await;
}

#[tokio::test]
async fn views_are_replaced_and_dropped() {
    let (_millrace, mut session) = session(&[]).await;
    script(
        &mut session,
        &[
            ("CREATE VIEW v AS SELECT 1 AS a", ""),
            ("CREATE VIEW V AS SELECT 2 AS a", "!1050 …'v' already exists"),
            ("CREATE VIEW IF NOT EXISTS v AS SELECT 2 AS a", ""),
            ("SELECT a FROM v", "1"),
            ("CREATE OR REPLACE VIEW v AS SELECT 'x' AS b", ""),
            ("SELECT * FROM v", "x"),
            ("ALTER VIEW v AS SELECT 3 AS c", ""),
            ("SELECT * FROM v", "3"),
            // one that cannot be answered leaves the old one
            ("CREATE OR REPLACE VIEW v AS SELECT a FROM nothing", "!1146 "),
            ("SELECT * FROM v", "3"),
            ("ALTER VIEW w AS SELECT 3 AS c", "!1146 "),
            ("CREATE VIEW w AS SELECT c + 1 AS d FROM v", ""),
            ("DROP VIEW v, nothing", "!1146 "),
            ("SELECT d FROM w", "4"),
            ("DROP VIEW IF EXISTS nothing, v", ""),
            ("SELECT d FROM w", "!1356 View 'lake.lake.w' cannot be answered: …v"),
            ("DROP VIEW v", "!1146 "),
            ("CREATE VIEW v AS SELECT 'now a text' AS c", ""),
            ("SELECT d FROM w", "!1356 …"),
            ("CREATE OR REPLACE VIEW v AS SELECT 7 AS c, 8 AS d", ""),
            ("SELECT d FROM w", "8"),
            // other columns in the places of those that there were
            ("CREATE VIEW all_of_v (x, y) AS SELECT * FROM v", ""),
            ("SELECT x, y FROM all_of_v", "7|8"),
            ("CREATE OR REPLACE VIEW v AS SELECT 8 AS d, 7 AS c", ""),
            ("SELECT x, y FROM all_of_v", "!1356 …(c bigint, d bigint)…(d bigint, c bigint)"),
            ("CREATE OR REPLACE VIEW v AS SELECT 7 AS c, 8 AS d, 9 AS e", ""),
            ("SELECT x, y FROM all_of_v", "!1356 …CREATE OR REPLACE"),
            // views go with their catalog
            ("USE information_schema", ""),
            ("DROP CATALOG lake", ""),
            ("SELECT * FROM lake.lake.v", "!1049 "),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_would_go_round_or_too_deep_is_refused() {
    let limits = [
        "frontend.view_depth_max=3",
        "frontend.views_max=6",
        "frontend.view_plan_nodes_max=40",
        "frontend.view_text_bytes_max=400",
    ];
    let (_millrace, mut session) = session(&limits).await;
    let long = format!("CREATE VIEW l AS SELECT '{}' AS a", "x".repeat(400));
    let wide = format!("CREATE VIEW w AS SELECT 1 AS a{}", " UNION ALL SELECT 1".repeat(12));
    script(
        &mut session,
        &[
            ("CREATE VIEW v1 AS SELECT 1 AS a", ""),
            ("CREATE VIEW v2 AS SELECT a FROM v1", ""),
            ("CREATE VIEW v3 AS SELECT a FROM v2", ""),
            ("CREATE VIEW v4 AS SELECT a FROM v3", "!1041 …frontend.view_depth_max"),
            ("CREATE OR REPLACE VIEW v1 AS SELECT a FROM v3", "!1356 …contains itself"),
            ("CREATE OR REPLACE VIEW v1 AS SELECT a FROM v1", "!1356 …contains itself"),
            (
                "CREATE OR REPLACE VIEW v1 AS SELECT (SELECT max(a) FROM V2) AS a",
                "!1356 …contains itself",
            ),
            ("CREATE VIEW self AS SELECT * FROM self", "!1146 "),
            ("SELECT a FROM v3", "1"),
            (&long, "!1041 …frontend.view_text_bytes_max"),
            (&wide, ""),
            (
                "CREATE VIEW two AS SELECT count(*) AS n FROM w AS x, w AS y",
                "!1041 …frontend.view_plan_nodes_max",
            ),
            ("CREATE VIEW v5 AS SELECT 1 AS a", ""),
            ("CREATE VIEW v6 AS SELECT 1 AS a", ""),
            ("CREATE VIEW v7 AS SELECT 1 AS a", "!1041 …frontend.views_max"),
            ("CREATE OR REPLACE VIEW v6 AS SELECT 2 AS a", ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_view_is_refused_by_name() {
    let (_millrace, mut session) = session(&[]).await;
    script(
        &mut session,
        &[
            ("CREATE VIEW v AS SELECT 1 AS a", ""),
            ("CREATE VIEW pk_dv AS SELECT 1 AS a", "!1050 …'pk_dv'"),
            ("CREATE VIEW PK_DV AS SELECT 1 AS a", "!1050 …'pk_dv'"),
            ("CREATE VIEW nowhere.v AS SELECT 1 AS a", "!1049 …'nowhere'"),
            ("CREATE VIEW default_catalog.d.v AS SELECT 1 AS a", "!1049 "),
            ("CREATE VIEW information_schema.v AS SELECT 1 AS a", "!1235 …information_schema"),
            ("CREATE VIEW `a$lake` AS SELECT 1 AS a", "!1231 …'a$lake'"),
            ("CREATE VIEW x AS SELECT @a AS a", "!1235 …variables"),
            ("CREATE VIEW x AS SELECT @@autocommit AS a", "!1235 …variables"),
            (
                "CREATE VIEW x AS SELECT /*+ SET_VAR(sql_select_limit = 1) */ 1 AS a",
                "!1235 …SET_VAR",
            ),
            ("CREATE VIEW x AS SELECT nothing(1) AS a", "!1"),
            ("CREATE VIEW x AS SELECT nothing FROM pk_dv", "!1054 "),
            ("SELECT * FROM v$snapshots", "!1235 …'v' is a view"),
            ("SELECT * FROM v FOR VERSION AS OF 1", "!1235 …'v' is a view"),
            ("ALTER VIEW v RENAME x", "!1235 …RENAME"),
            ("DROP VIEW pk_dv", "!1146 "),
            ("CREATE TABLE t AS SELECT 1", "!1235 …CREATE TABLE"),
            ("ALTER TABLE v RENAME x", "!1235 …ALTER TABLE"),
            ("DROP TABLE v", "!1235 …DROP TABLE"),
            ("CREATE MATERIALIZED VIEW x AS SELECT 1", "!1235 "),
        ],
    )
    .await;
}

/// A view over the whole of a table, lake and log, is at the statement's read point; and a table that comes under its name later is not
/// hidden by it.
#[tokio::test]
async fn views_of_a_table_in_lake_and_log() {
    let cluster = shared_cluster().await.unwrap();
    let table = |name: &str| {
        TableSpec::new("views", name)
            .column("id", DataTypes::bigint())
            .column("city", DataTypes::string())
            .primary_key(["id"])
            .buckets(2)
            .lake(Duration::from_secs(1))
    };
    let orders = table("orders");
    cluster.create_table(&orders).await.unwrap();
    let mut writer = Writer::open(cluster, orders.path()).await.unwrap();
    for id in 0..10_i64 {
        writer.write(&[id.into(), "Oslo".into()]).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(orders.path(), TIERED).await.unwrap();
    for id in 8..12_i64 {
        writer.write(&[id.into(), "Praha".into()]).await.unwrap();
    }
    writer.flush().await.unwrap();

    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let mut session = millrace.connect().await.unwrap();
    script(
        &mut session,
        &[
            ("USE fluss.views", ""),
            ("CREATE VIEW by_city AS SELECT city, count(*) AS n FROM orders GROUP BY city", ""),
            ("CREATE VIEW in_lake AS SELECT count(*) AS n FROM orders$lake", ""),
            ("SELECT * FROM by_city ORDER BY city", "Oslo|8;Praha|4"),
            ("SELECT sum(n) = (SELECT count(*) FROM orders) FROM by_city", "1"),
            ("SELECT n IN (10, 12) FROM in_lake", "1"),
            ("SELECT * FROM by_city$lake", "!1235 …'by_city' is a view"),
            ("SET union_read_path = 'log_replay'", ""),
            ("SELECT * FROM by_city ORDER BY city", "Oslo|8;Praha|4"),
            ("CREATE VIEW customers AS SELECT 1 AS id", ""),
        ],
    )
    .await;
    cluster.create_table(&table("customers")).await.unwrap();
    script(
        &mut session,
        &[
            ("SELECT * FROM customers", "!1356 …a table of that name"),
            ("SHOW FULL TABLES LIKE 'customers'", "customers|VIEW"),
            ("DROP VIEW customers", ""),
            ("SELECT * FROM customers", ""),
        ],
    )
    .await;
}
