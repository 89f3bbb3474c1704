//! An object store that answers 200 or 206 with an error in the body: it is told, and never read as data.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use integration_tests::Deployment;

use crate::lake_s3::{create_catalog, read, warehouse};
use crate::s3::{LIST, S3};

/// Parts of a table as its keys tell them, what tells some from others, and whether ranges of them are read.
const PARTS: [(&str, &str, bool); 8] = [
    ("/schema/schema-", "", false),
    ("/snapshot/snapshot-", "", false),
    ("/manifest/manifest-list-", "", false),
    ("/manifest/manifest-", "-list-", false),
    ("/manifest/index-manifest-", "", false),
    ("/index/index-", "", true),
    ("/data-", "", true),
    (LIST, "", false),
];

/// Whatever of a table cannot be read ends the statement, and the rows come when it is there again.
#[tokio::test]
async fn errors_in_the_bodies_of_successes_are_no_data() {
    let local = warehouse().canonicalize().unwrap();
    let on_disk = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    for (part, but, has_ranges) in PARTS {
        let statuses = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];
        for status in statuses.into_iter().take(if has_ranges { 2 } else { 1 }) {
            // with nothing kept of the last one
            let millrace = Deployment::start(0).await.unwrap();
            create_catalog(&millrace, "on_disk", &on_disk).await;
            let expected = read(&millrace, "SELECT * FROM on_disk.lake.pk_dv").await.unwrap();
            let s3 = S3::serve(warehouse()).await;
            create_catalog(&millrace, "spoilt", &s3.properties()).await;
            let spoilt = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&spoilt);
            s3.spoil(move |key| {
                let is_part = key.contains(part) && (but.is_empty() || !key.contains(but));
                is_part.then(|| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    status
                })
            });
            let what = format!("{part} answered {status}");
            let sql = "SELECT * FROM spoilt.lake.pk_dv";
            let answer = read(&millrace, sql).await;
            let spoilt = spoilt.load(Ordering::Relaxed);
            let Err(mysql_async::Error::Server(error)) = answer else {
                panic!("{what}, {spoilt} times: {answer:?}")
            };
            // an empty list of what is in the warehouse is one of the reasons
            assert!([1429, 1049].contains(&error.code), "{what}: {error}");
            assert!(spoilt > 0, "{what}: {error}");
            assert!(!error.message.contains("not-to-be-seen"), "{what}: {error}");
            s3.spoil(|_| None);
            assert_eq!(read(&millrace, sql).await.unwrap(), expected, "{what}, before");
        }
    }
}
