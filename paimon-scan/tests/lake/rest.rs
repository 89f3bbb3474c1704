//! Catalogs behind a REST server: the same tables, the same rows, and nothing shown that is secret.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use paimon::io::FileIO;
use paimon::table::{BranchManager, SnapshotManager, TagManager};
use paimon_scan::*;
use parking_lot::Mutex;

use crate::conformance::unpack;
use crate::oracle;
use crate::provider::*;
use crate::rest_server::{Lock, RestServer};
use crate::s3::S3;

const TOKEN: &str = "not-to-be-seen";
const BEARER: Lock = Lock::Bearer(TOKEN);

fn options_with(server: &RestServer, more: &[(&str, &str)]) -> LakeOptions {
    let bearer = [
        ("metastore", "rest"),
        ("uri", &server.uri),
        ("warehouse", "fixtures"),
        ("token.provider", "bear"),
        ("token", TOKEN),
    ];
    // the later one of a name counts
    let all: BTreeMap<&str, &str> = bearer.into_iter().chain(more.iter().copied()).collect();
    LakeOptions::new(all).unwrap()
}

fn catalog(server: &RestServer) -> LakeCatalog {
    LakeCatalog::open(&options_with(server, &[])).unwrap()
}

async fn serve() -> RestServer {
    RestServer::serve(oracle::warehouse(), BEARER).await
}

/// What a planned table holds, read as a backend reads it: with everything through the wire.
async fn read(
    table: &LakeTable,
    plan: LakePlan,
    session: &SessionContext,
) -> Result<Vec<RecordBatch>, LakeError> {
    let lake = Arc::new(LakeOptions::from_bytes(&table.lake().to_bytes()).unwrap());
    let plan = through_the_wire(plan);
    let files = masked_in(&plan, session, &lake).await?;
    let provider = LakeProvider { schema: plan.schema, files, how: PLAIN, lake };
    let frame = session.read_table(Arc::new(provider))?;
    Ok(frame.collect().await?)
}

async fn rows(catalog: &LakeCatalog, name: &str) -> Result<Vec<String>, LakeError> {
    let table = catalog.table("lake", name).await?;
    let plan = table.plan(None).await?;
    Ok(oracle::render(&read(&table, plan, &session()).await?))
}

fn session() -> SessionContext {
    let config = PLAIN.session().copied_config();
    SessionContext::new_with_config(config.with_extension(Arc::new(RestServers::default())))
}

fn told(error: &LakeError) -> String {
    let text = error.to_string();
    let all = format!("{text} {error:?}");
    assert!(!all.contains(TOKEN) && !text.contains('\n'), "{all}");
    text
}

#[tokio::test]
async fn tables_are_named_in_pages_and_read_as_those_of_a_file_system() {
    let server = serve().await;
    let catalog = catalog(&server);
    assert_eq!(catalog.list_databases().await.unwrap(), ["lake"]);
    let on_disk = LakeCatalog::open(&options()).unwrap();
    let mut expected = on_disk.list_tables("lake").await.unwrap();
    expected.sort();
    assert_eq!(catalog.list_tables("lake").await.unwrap(), expected);
    assert!(server.count("/tables") > 5, "in pages");
    for name in ["append_partitioned", "pk_overlap", "pk_dv", "pk_dv64", "evolution", "all_types"] {
        assert_eq!(rows(&catalog, name).await.unwrap(), oracle::expected(name).1, "{name}");
    }
    let empty = catalog.table("lake", "empty").await.unwrap().plan(None).await.unwrap();
    assert_eq!((empty.snapshot_id, empty.buckets.len()), (None, 0));
    assert_eq!(server.count("/v1/config"), 1);
    assert_eq!(server.count("/token"), 0);
    assert!(!format!("{catalog:?}").contains(TOKEN));
}

/// The server's latest snapshot counts, whatever lies in the folder.
#[tokio::test]
async fn the_latest_snapshot_is_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let from = oracle::warehouse().join("lake.db");
    let copied = Command::new("cp").arg("-r").arg(from).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let server = RestServer::serve(folder.path().to_owned(), BEARER).await;
    let catalog = catalog(&server);
    let kept = Arc::new(PlanCache::default());
    let catalog = catalog.with_cache(&kept);
    let snapshots = folder.path().join("lake.db/pk_compacted/snapshot");
    // a hint of an older one, as a commit by the server alone leaves it
    std::fs::write(snapshots.join("LATEST"), "5").unwrap();
    let plan = catalog.table("lake", "pk_compacted").await.unwrap().plan(None).await.unwrap();
    assert_eq!(plan.snapshot_id, Some(7));
    assert_eq!(rows(&catalog, "pk_compacted").await.unwrap(), oracle::expected("pk_compacted").1);
    let bytes = kept.bytes();
    assert!(bytes > 0);
    // a table that is described again is the same one for plans that are kept
    rows(&catalog, "pk_compacted").await.unwrap();
    assert_eq!(kept.bytes(), bytes);
    let table = catalog.table("lake", "pk_compacted").await.unwrap();
    let now = table.at(&Version::Time(i64::MAX)).await.unwrap().plan(None).await.unwrap();
    assert_eq!(now.snapshot_id, Some(7));
}

#[tokio::test]
async fn tags_branches_and_earlier_states_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("lake.db");
    std::fs::create_dir(&database).unwrap();
    let source = oracle::warehouse().join("lake.db/pk_evolution");
    let copied = Command::new("cp").arg("-r").arg(source).arg(&database).status().unwrap();
    assert!(copied.success());
    let path = format!("file:{}", database.join("pk_evolution").display());
    let io = FileIO::from_path("file:/").unwrap().build().unwrap();
    let snapshot = SnapshotManager::new(io.clone(), path.clone()).get_snapshot(1).await.unwrap();
    TagManager::new(io.clone(), path.clone()).create("old", &snapshot).await.unwrap();
    BranchManager::new(io, path).create_branch_from_tag("b1", "old").await.unwrap();
    let server = RestServer::serve(folder.path().to_owned(), BEARER).await;
    let table = catalog(&server).table("lake", "pk_evolution").await.unwrap();
    let time = i64::try_from(snapshot.time_millis()).unwrap();
    let first = table.at(&Version::Snapshot(1)).await.unwrap();
    let expected = read(&first, first.plan(None).await.unwrap(), &session()).await.unwrap();
    let expected = oracle::render(&expected);
    assert!(!expected.is_empty());
    for version in [Version::Tag("old".into()), Version::Branch("b1".into()), Version::Time(time)] {
        let then = table.at(&version).await.unwrap();
        let plan = then.plan(None).await.unwrap();
        assert_eq!(plan.snapshot_id, Some(1), "{version}");
        let found = read(&then, plan, &session()).await.unwrap();
        assert_eq!(oracle::render(&found), expected, "{version}");
    }
    assert!(server.count("$branch_b1/snapshot") + server.count("%24branch_b1/snapshot") > 0);
    for missing in [Version::Branch("none".into()), Version::Tag("none".into()), Version::Time(0)] {
        let error = table.at(&missing).await.unwrap_err();
        assert!(matches!(error, LakeError::NotFound { .. }), "{missing}: {error}");
    }
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_by_whom() {
    let server = RestServer::serve(oracle::warehouse(), Lock::Bearer("another")).await;
    let catalog = catalog(&server);
    for error in [
        catalog.list_databases().await.unwrap_err(),
        catalog.list_tables("lake").await.unwrap_err(),
        catalog.table("lake", "pk_dv").await.unwrap_err(),
    ] {
        assert!(matches!(error, LakeError::Denied(_)), "{error:?}");
        let text = told(&error);
        for part in [&*server.uri, "\"fixtures\"", "HTTP 401", "is not known"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
async fn requests_are_signed_for_dlf() {
    let lock = Lock::Dlf("key-id", TOKEN, "eu-test-1");
    let server = RestServer::serve(oracle::warehouse(), lock).await;
    let dlf = |secret: &'static str, more: &[(&'static str, &'static str)]| {
        let keys = [
            ("token.provider", "dlf"),
            ("dlf.access-key-id", "key-id"),
            ("dlf.access-key-secret", secret),
            ("dlf.region", "eu-test-1"),
        ];
        LakeCatalog::open(&options_with(&server, &[keys.as_slice(), more].concat())).unwrap()
    };
    for more in [&[] as &[_], &[("dlf.security-token", "of-a-session")]] {
        let catalog = dlf(TOKEN, more);
        // with parameters and in pages
        assert!(catalog.list_tables("lake").await.unwrap().len() > 10);
        assert_eq!(rows(&catalog, "pk_dv").await.unwrap(), oracle::expected("pk_dv").1);
    }
    let error = dlf("wrong", &[]).list_databases().await.unwrap_err();
    assert!(matches!(error, LakeError::Denied(_)), "{error:?}");
    assert!(told(&error).contains("HTTP 403: the signature does not match"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_does_not_answer() {
    let server = serve().await;
    let catalog = catalog(&server);
    for error in [
        catalog.table("lake", "none").await.unwrap_err(),
        catalog.table("none", "none").await.unwrap_err(),
        catalog.list_tables("none").await.unwrap_err(),
        catalog.table("lake", "pk_dv$branch_main").await.unwrap_err(),
    ] {
        assert!(matches!(error, LakeError::NotFound { .. }), "{error:?}");
    }
    let set = |fault| server.answers.lock().faults = vec![fault];
    // busy for a moment, and for longer
    set(("/databases", 2, 503, String::new()));
    assert_eq!(catalog.list_databases().await.unwrap(), ["lake"]);
    for (status, body, named) in [
        (503, "{\"message\":\"too busy\",\"code\":503}", "HTTP 503: too busy"),
        (500, "{\"message\":\"broken\\nhere\",\"code\":500}", "HTTP 500: broken here"),
        (404, "<html>no such page</html>", "HTTP 404: <html>"),
        (429, "slower", "slower"),
        (501, "{}", "HTTP 501"),
        (200, "<html>welcome</html>", "parse"),
    ] {
        set(("/tables/pk_dv", 99, status, body.to_owned()));
        let error = catalog.table("lake", "pk_dv").await.unwrap_err();
        let text = told(&error);
        assert!(text.contains(named) && text.contains(&server.uri), "{text}");
        let expected = matches!(error, LakeError::Corrupt { .. }) == (status == 200);
        assert!(expected && !matches!(error, LakeError::NotFound { .. }), "{error:?}");
    }
    // a snapshot that the server does not tell is not looked for elsewhere
    set(("/snapshot", 99, 501, "{\"message\":\"no snapshots here\",\"code\":501}".to_owned()));
    let error = catalog.table("lake", "pk_dv").await.unwrap().plan(None).await.unwrap_err();
    assert!(told(&error).contains("HTTP 501: no snapshots here"), "{error}");
    server.answers.lock().faults.clear();
    server.answers.lock().endless = true;
    let error = catalog.list_tables("lake").await.unwrap_err();
    assert!(told(&error).contains("next page is the same"), "{error}");

    let uri = server.uri.clone();
    drop(server);
    let gone = [("metastore", "rest"), ("uri", &*uri), ("warehouse", "fixtures")];
    let gone = gone.into_iter().chain([("token.provider", "bear"), ("token", TOKEN)]);
    let catalog = LakeCatalog::open(&LakeOptions::new(gone).unwrap()).unwrap();
    let error = catalog.list_databases().await.unwrap_err();
    assert!(matches!(error, LakeError::Unavailable(_)), "{error:?}");
    assert!(told(&error).contains(&uri), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let ask = async |silent: &'static str| {
        let server = serve().await;
        // long enough for all questions before that one
        let options = options_with(&server, &[("rest.request-timeout", "5s")]);
        let catalog = LakeCatalog::open(&options).unwrap();
        server.answers.lock().silent = Some(silent);
        let plan = async { catalog.table("lake", "pk_dv").await?.plan(None).await };
        let error = plan.await.unwrap_err();
        assert!(matches!(error, LakeError::Unavailable(_)), "{error:?}");
        assert!(told(&error).contains("no answer within 5s"), "{silent}: {error}");
        assert_eq!(server.count(silent), 1, "asked once");
    };
    tokio::join!(ask("/config"), ask("/tables/pk_dv"), ask("/snapshot"));
}

#[tokio::test]
async fn tables_that_are_not_read_are_refused_by_name() {
    let server = serve().await;
    let catalog = catalog(&server);
    for (key, value) in [("type", "format-table"), ("query-auth.enabled", "true")] {
        server.answers.lock().options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let error = catalog.table("lake", "append_plain").await.unwrap_err();
        assert!(matches!(error, LakeError::Unsupported { .. }), "{error:?}");
        assert!(told(&error).contains(key), "{error}");
    }
    server.answers.lock().options.clear();
    server.answers.lock().location = "gs://bucket".into();
    let error = catalog.table("lake", "append_plain").await.unwrap_err();
    assert!(told(&error).contains("gs"), "{error}");
}

/// A name that stands for another table from one statement to the next, with caches in between.
#[tokio::test]
async fn a_table_created_again_is_another_one() {
    let server = serve().await;
    let catalog = catalog(&server);
    let catalog = catalog.with_cache(&Arc::default());
    let session = session();
    for (round, inside) in
        ["pk_compacted", "pk_overlap", "pk_compacted", "pk_dv", "pk_dv64"].iter().enumerate()
    {
        let place = ((*inside).to_owned(), format!("id {round}"));
        server.answers.lock().tables.insert("again".to_owned(), place);
        let table = catalog.table("lake", "again").await.unwrap();
        let plan = table.plan(None).await.unwrap();
        let found = oracle::render(&read(&table, plan, &session).await.unwrap());
        assert_eq!(found, oracle::expected(inside).1, "{inside}");
    }
}

/// A server whose tables lie on an object store that lets in the holder of the latest credentials alone.
struct Granting {
    server: Arc<RestServer>,
    s3: S3,
}

impl Granting {
    async fn of(warehouse: std::path::PathBuf) -> Self {
        let server = RestServer::serve(warehouse.clone(), BEARER).await;
        let s3 = S3::serve(warehouse).await;
        {
            let mut answers = server.answers.lock();
            answers.location = "s3://lake".to_owned();
            let config = [
                ("data-token.enabled", "true"),
                ("s3.endpoint", &s3.endpoint),
                ("s3.path-style-access", "true"),
                ("fs.s3a.unheard-of", "x"),
                ("local-cache.enabled", "true"),
            ];
            answers.config = config.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        }
        let this = Self { server: Arc::new(server), s3 };
        this.turn(1);
        this
    }

    /// From now on these credentials are handed out, and no others are good.
    fn turn(&self, number: usize) {
        self.hand_out(number);
        self.s3.let_in_only(&format!("key-{number}"), &format!("session-{number}"));
    }

    fn hand_out(&self, number: usize) {
        let token = [
            ("fs.s3a.access-key", format!("key-{number}")),
            ("fs.s3a.secret-key", TOKEN.to_owned()),
            ("fs.s3a.session.token", format!("session-{number}")),
            ("purpose", "reading".to_owned()),
        ];
        self.server.answers.lock().token = token.map(|(k, v)| (k.to_owned(), v)).into();
    }
}

#[tokio::test]
async fn credentials_of_a_table_are_asked_for_once_and_again_when_they_are_refused() {
    let granting = Granting::of(oracle::warehouse()).await;
    let catalog = catalog(&granting.server);
    let session = session();
    let expected = oracle::expected("pk_dv").1;
    let table = catalog.table("lake", "pk_dv").await.unwrap();
    let plan = table.plan(None).await.unwrap();
    for _ in 0..3 {
        let found = read(&table, plan.clone(), &session).await.unwrap();
        assert_eq!(oracle::render(&found), expected);
    }
    // the one who plans and the one who reads: two processes, each once
    assert_eq!(granting.server.count("/token"), 2);
    assert_eq!(granting.server.count("/v1/config"), 2);

    // before each of its reads in turn, the storage stops taking what it took
    let granting = Arc::new(granting);
    let reads = Arc::new(Mutex::new(0));
    let (counter, turning) = (Arc::clone(&reads), Arc::clone(&granting));
    granting.s3.before_read(move |_| {
        *counter.lock() += 1;
        let number = *counter.lock();
        if number % 2 == 1 {
            turning.turn(1 + number);
        }
    });
    let found = read(&table, plan.clone(), &session).await.unwrap();
    granting.s3.before_read(|_| ());
    assert_eq!(oracle::render(&found), expected);
    assert!(*reads.lock() > 5 && granting.server.count("/token") > 4);

    // what the server hands out is not taken: an error, not an endless circle
    granting.s3.let_in_only("nobody", "");
    let asked = granting.server.count("/token");
    let error = read(&table, plan.clone(), &session).await.unwrap_err();
    told(&error);
    assert!(granting.server.count("/token") - asked < 20);
    granting.turn(77);
    assert_eq!(oracle::render(&read(&table, plan.clone(), &session).await.unwrap()), expected);

    // a server that refuses is found at the end of all wrappings
    granting.s3.let_in_only("nobody", "");
    let body = "{\"message\":\"no longer yours\",\"code\":403}".to_owned();
    granting.server.answers.lock().faults = vec![("/token", 999, 403, body)];
    let error = read(&table, plan, &session).await.unwrap_err();
    let LakeError::Execution(error) = error else { panic!("{error:?}") };
    let found = LakeError::find(&error).unwrap();
    assert!(matches!(found, LakeError::Denied(_)), "{error:?}");
    assert!(told(found).contains("HTTP 403: no longer yours"), "{found}");
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire() {
    let granting = Granting::of(oracle::warehouse()).await;
    // good for so short a time that half of it passes while files are read
    granting.server.answers.lock().token_life = 40;
    let catalog = catalog(&granting.server);
    let session = session();
    let mut asked = 0;
    for _ in 0..500 {
        let table = catalog.table("lake", "pk_overlap").await.unwrap();
        let plan = table.plan(None).await.unwrap();
        let found = oracle::render(&read(&table, plan, &session).await.unwrap());
        assert_eq!(found, oracle::expected("pk_overlap").1);
        asked = granting.server.count("/token");
        if asked > 6 {
            break;
        }
    }
    assert!(asked > 6, "{asked}");
    for (life, named) in [(-5, "expired before they came"), (i64::MIN / 2, "without an expiry")] {
        granting.server.answers.lock().token_life = life;
        let fresh = LakeCatalog::open(&options_with(&granting.server, &[])).unwrap();
        let error = fresh.table("lake", "pk_dv").await.unwrap_err();
        assert!(told(&error).contains(named), "{error}");
    }
}

/// An external table is read with the catalog's own credentials: the server has none for it.
#[tokio::test]
async fn tables_outside_of_the_servers_storage_are_read_with_the_catalogs_own_credentials() {
    let granting = Granting::of(oracle::warehouse()).await;
    granting.server.answers.lock().is_external = true;
    let own =
        [("s3.access-key", "key-1"), ("s3.secret-key", TOKEN), ("s3.session.token", "session-1")];
    let catalog = LakeCatalog::open(&options_with(&granting.server, &own)).unwrap();
    assert_eq!(rows(&catalog, "pk_dv").await.unwrap(), oracle::expected("pk_dv").1);
    assert_eq!(granting.server.count("/token"), 0);
}

/// Files that the `paimon` crate's reader reads, where credentials are renewed too.
#[tokio::test]
async fn orc_files_are_read_with_granted_credentials() {
    let folder = unpack("1.4.2");
    let granting = Granting::of(folder.path().join("warehouse")).await;
    let catalog = catalog(&granting.server);
    let name = "append_mixed_orc";
    let (_, expected) = oracle::expected_in(folder.path(), name);
    let table = catalog.table("lake", name).await.unwrap();
    let plan = table.plan(None).await.unwrap();
    granting.turn(2);
    let found = read(&table, plan, &session()).await.unwrap();
    assert_eq!(oracle::render(&found), expected);
}
