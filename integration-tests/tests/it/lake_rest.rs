//! Catalogs behind a REST server, through frontend and backends: several processes that all ask it for credentials.

use std::sync::Arc;

use integration_tests::{Deployment, Rows};
use parking_lot::Mutex;

use crate::lake_s3::{create_catalog, read, warehouse};
use crate::rest_server::{Lock, RestServer};
use crate::s3::S3;

const TOKEN: &str = "not-to-be-seen";

/// A server whose tables lie on an object store that lets in the holder of the latest credentials alone.
struct Lake {
    server: RestServer,
    s3: S3,
}

impl Lake {
    async fn serve() -> Self {
        let warehouse = warehouse().canonicalize().unwrap();
        let server = RestServer::serve(warehouse.clone(), Lock::Bearer(TOKEN)).await;
        let s3 = S3::serve(warehouse).await;
        {
            let mut answers = server.answers.lock();
            answers.location = "s3://lake".to_owned();
            let config = [
                ("data-token.enabled", "true"),
                ("s3.endpoint", &s3.endpoint),
                ("s3.path-style-access", "true"),
            ];
            answers.config = config.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        }
        let this = Self { server, s3 };
        this.turn(1);
        this
    }

    /// From now on these credentials are handed out, and no others are good.
    fn turn(&self, number: usize) {
        let token = [
            ("s3.access-key", format!("key-{number}")),
            ("s3.secret-key", TOKEN.to_owned()),
            ("s3.session.token", format!("session-{number}")),
        ];
        self.server.answers.lock().token = token.map(|(k, v)| (k.to_owned(), v)).into();
        self.s3.let_in_only(&format!("key-{number}"), &format!("session-{number}"));
    }

    fn properties(&self, token: &str) -> String {
        format!(
            "\"type\" = \"paimon\", \"metastore\" = \"rest\", \"uri\" = \"{}\", \
             \"warehouse\" = \"fixtures\", \"token.provider\" = \"bear\", \"token\" = \"{token}\"",
            self.server.uri
        )
    }
}

async fn failure(millrace: &Deployment, sql: &str) -> String {
    let error = millrace.sql(sql).await.unwrap_err().to_string();
    assert!(!error.contains(TOKEN), "{error}");
    error
}

fn names(rows: &Rows) -> String {
    format!("{rows:?}")
}

#[tokio::test]
async fn tables_of_a_server_are_read_by_backends_with_credentials_that_end_meanwhile() {
    let millrace = Deployment::start(2).await.unwrap();
    let lake = Arc::new(Lake::serve().await);
    create_catalog(&millrace, "served", &lake.properties(TOKEN)).await;
    let local = warehouse().canonicalize().unwrap();
    let local = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    create_catalog(&millrace, "on_disk", &local).await;
    for listing in ["SHOW DATABASES FROM {}", "SHOW TABLES FROM {}.lake"] {
        let of = |catalog: &str| listing.replace("{}", catalog);
        let served = millrace.sql(&of("served")).await.unwrap();
        assert_eq!(names(&served), names(&millrace.sql(&of("on_disk")).await.unwrap()));
    }
    let tables = ["append_partitioned", "pk_overlap", "pk_dv", "pk_dv64", "evolution"];
    let sql = |catalog: &str, table: &str| format!("SELECT * FROM {catalog}.lake.{table}");
    for table in tables {
        let expected = read(&millrace, &sql("on_disk", table)).await.unwrap();
        assert!(!expected.is_empty());
        assert_eq!(read(&millrace, &sql("served", table)).await.unwrap(), expected, "{table}");
    }

    // the storage stops taking credentials in the middle of a statement, again and again
    let (reads, turning) = (Arc::new(Mutex::new(0)), Arc::clone(&lake));
    let counter = Arc::clone(&reads);
    lake.s3.before_read(move |key| {
        let mut reads = counter.lock();
        if key.contains("/bucket-") {
            *reads += 1;
            if *reads % 16 == 1 {
                turning.turn(*reads + 1);
            }
        }
    });
    for table in tables {
        let expected = read(&millrace, &sql("on_disk", table)).await.unwrap();
        assert_eq!(read(&millrace, &sql("served", table)).await.unwrap(), expected, "{table}");
    }
    lake.s3.before_read(|_| ());
    assert!(*reads.lock() > 32, "they ended twice at least");

    // nothing that is shown shows them
    for statement in [
        "SHOW CREATE CATALOG served".to_owned(),
        format!("EXPLAIN VERBOSE {}", sql("served", "pk_dv")),
        "SHOW CREATE TABLE served.lake.pk_dv".to_owned(),
    ] {
        let shown = format!("{:?}", millrace.sql(&statement).await.unwrap());
        let secrets = [TOKEN, "session-", "key-1"];
        assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
    }
}

#[tokio::test]
async fn a_table_created_again_at_a_server_is_another_one() {
    let millrace = Deployment::start(1).await.unwrap();
    let lake = Lake::serve().await;
    create_catalog(&millrace, "served", &lake.properties(TOKEN)).await;
    for (round, inside) in
        ["pk_compacted", "pk_overlap", "pk_compacted", "pk_dv"].iter().enumerate()
    {
        let own = format!("SELECT * FROM served.lake.{inside}");
        let expected = read(&millrace, &own).await.unwrap();
        let place = ((*inside).to_owned(), format!("id {round}"));
        lake.server.answers.lock().tables.insert("again".to_owned(), place);
        let found = read(&millrace, "SELECT * FROM served.lake.again").await.unwrap();
        assert_eq!(found, expected, "{inside}");
    }
    lake.server.answers.lock().tables.insert("again".to_owned(), ("none".into(), "x".into()));
    let error = failure(&millrace, "SELECT * FROM served.lake.again").await;
    assert!(error.contains("Unknown table"), "{error}");
}

#[tokio::test]
async fn what_a_server_refuses_and_what_is_mistyped_is_told() {
    let millrace = Deployment::start(0).await.unwrap();
    let lake = Lake::serve().await;
    create_catalog(&millrace, "mistaken", &lake.properties("not-to-be-seen-either")).await;
    let error = failure(&millrace, "SHOW DATABASES FROM mistaken").await;
    for part in ["HTTP 401", &*lake.server.uri, "fixtures", "1429"] {
        assert!(error.contains(part), "{error}");
    }
    create_catalog(&millrace, "served", &lake.properties(TOKEN)).await;
    let error = failure(&millrace, "SELECT * FROM served.nothing.t").await;
    assert!(error.contains("nothing"), "{error}");
    let fault = ("/snapshot", 99, 503, "{\"message\":\"maintenance\",\"code\":503}".to_owned());
    lake.server.answers.lock().faults = vec![fault];
    let error = failure(&millrace, "SELECT * FROM served.lake.pk_dv").await;
    assert!(error.contains("HTTP 503: maintenance"), "{error}");
    lake.server.answers.lock().faults.clear();
    let rows = millrace.sql("SELECT count(*) FROM served.lake.pk_dv").await.unwrap();
    assert_eq!(rows.len(), 1);
    for (from, to, named) in [
        ("token.provider", "token.providers", "token.providers"),
        ("\"bear\"", "\"oauth\"", "oauth"),
        ("http://", "http://user:not-to-be-seen@", "uri"),
    ] {
        let properties = lake.properties(TOKEN).replace(from, to);
        let sql = format!("CREATE EXTERNAL CATALOG wrong PROPERTIES ({properties})");
        let error = failure(&millrace, &sql).await;
        assert!(error.contains(named), "{error}");
    }
}
