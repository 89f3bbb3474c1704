//! Plans from kept files are those that reading everything anew gives, whatever became of the table.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use paimon_scan::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::conformance::{VERSIONS, unpack};
use crate::forge::{Forge, Forged, Forging};
use crate::provider::*;

/// Buckets with their files in one order. Numbers of sections follow the order of files.
fn sorted(plan: &LakePlan) -> Vec<LakeBucket> {
    let sort = |bucket: &Arc<LakeBucket>| {
        let mut bucket = LakeBucket::clone(bucket);
        bucket.files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in &mut bucket.files {
            if let Some(section) = &mut file.section
                && section.files == 1
            {
                section.index = 0;
            }
        }
        bucket
    };
    plan.buckets.iter().map(sort).collect()
}

async fn compare(table: &LakeTable, snapshot: Option<i64>, what: &str) -> LakePlan {
    let (kept, anew) = (table.plan(snapshot).await, table.plan_anew(snapshot).await);
    let kept = kept.unwrap_or_else(|error| panic!("{what}: {error}"));
    let anew = anew.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(kept.snapshot_id, anew.snapshot_id, "{what}");
    assert_eq!(sorted(&kept), sorted(&anew), "{what}");
    kept
}

/// Tables that Java wrote: folders with odd names, deletion vectors, other schemas, compactions.
#[tokio::test]
async fn every_snapshot_of_every_table_is_planned_alike_in_any_order() {
    let versions: Vec<_> = VERSIONS.iter().map(|(version, _)| unpack(version)).collect();
    let matrices = versions.iter().map(|folder| options_of(&folder.path().join("warehouse")));
    for (lake, least) in [options()].into_iter().chain(matrices).zip([100, 300, 300]) {
        let catalog = LakeCatalog::open(&lake).unwrap();
        let mut planned = 0;
        for name in catalog.list_tables("lake").await.unwrap() {
            let Ok(table) = catalog.table("lake", &name).await else { continue };
            let mut order: Vec<i64> = (1..=8).chain((1..=8).rev()).collect();
            order.extend([2, 7, 3, 6, 1, 5]);
            for snapshot in order {
                match table.plan_anew(Some(snapshot)).await {
                    Err(LakeError::SnapshotGone { .. }) => continue,
                    Err(error) => assert_eq!(
                        table.plan(Some(snapshot)).await.unwrap_err().to_string(),
                        error.to_string()
                    ),
                    Ok(_) => drop(compare(&table, Some(snapshot), &name).await),
                }
                planned += 1;
            }
        }
        assert!(planned > least, "{planned}");
    }
}

/// Bounds of files, and which of them are read at all, hang on the schema that a plan is for.
#[tokio::test]
async fn plans_of_two_schemas_of_a_table_do_not_mix() {
    for name in ["evolution", "pk_evolution"] {
        for turned in [false, true] {
            let catalog = LakeCatalog::open(&options()).unwrap();
            let latest = catalog.table("lake", name).await.unwrap();
            let earlier = latest.at(&Version::Snapshot(1)).await.unwrap();
            assert_ne!(earlier.schema().id, latest.schema().id);
            let mut tables = [latest, earlier];
            if turned {
                tables.reverse();
            }
            let [a, b] = tables;
            for _ in 0..2 {
                let a = compare(&a, Some(1), name).await;
                let b = compare(&b, Some(1), name).await;
                assert_ne!(a.schema, b.schema);
                assert_ne!(sorted(&a), sorted(&b), "{name}: the test shows nothing");
            }
        }
    }
}

/// Where deletion vectors came later than a bucket's files, those must be resolved by key: from kept files
/// too, and also after a delta that has no such file.
#[tokio::test]
async fn files_older_than_deletion_vectors_are_resolved_from_kept_files_too() {
    let folder = unpack("1.4.2");
    let lake = options_of(&folder.path().join("warehouse"));
    let catalog = LakeCatalog::open(&lake).unwrap();
    let table = catalog.table("lake", "vectors_later_overlapping").await.unwrap();
    let latest = table.plan(None).await.unwrap().snapshot_id.unwrap();
    let catalog = LakeCatalog::open(&lake).unwrap();
    let table = catalog.table("lake", "vectors_later_overlapping").await.unwrap();
    let mut resolved = 0;
    for snapshot in 1..=latest {
        let plan = compare(&table, Some(snapshot), "vectors later").await;
        resolved += usize::from(plan.buckets.iter().any(|bucket| bucket.needs_resolution()));
    }
    assert!(resolved > 0);
}

/// Java put every row into the bucket that its key is looked for in.
#[tokio::test]
async fn rows_are_in_the_bucket_of_their_key() {
    for (name, key) in [("pk_overlap", "id"), ("legacy_log", "id")] {
        let plan = plan(name, None).await;
        assert!(plan.hashes_key && plan.buckets.len() > 1, "{name}");
        let mut rows = 0;
        for at in &plan.buckets {
            let mut one = plan.clone();
            one.buckets = vec![Arc::clone(at)];
            let session = PLAIN.session();
            let files = masked(&one, &session).await.unwrap();
            let (schema, lake) = (plan.schema.clone(), Arc::new(options()));
            let provider = LakeProvider { schema, files, how: PLAIN, lake };
            session.register_table("t", Arc::new(provider)).unwrap();
            for batch in sql(&session, &format!("select {key} from t")).await {
                for row in 0..batch.num_rows() {
                    let value = ScalarValue::try_from_array(batch.column(0), row).unwrap();
                    let found = plan.bucket_of(&[value], at.total_buckets);
                    assert_eq!(found, Some(at.bucket), "{name}");
                    rows += 1;
                }
            }
        }
        assert!(rows >= 10, "{name}: {rows}");
        assert_eq!(plan.bucket_of(&[ScalarValue::Utf8View(Some("1".into()))], 2), None);
        assert_eq!(plan.bucket_of(&[ScalarValue::Int64(None)], 2), None);
    }
}

fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

/// What a commit makes of the files before it.
fn change(random: &mut StdRng, forge: &mut Forge, before: &Forging, vectors: bool) -> Vec<Forged> {
    let mut files = before.files.clone();
    match random.random_range(0..4) {
        // another level, under the same name
        0 if !files.is_empty() => {
            let at = random.random_range(0..files.len());
            files[at] = files[at].at_level(random.random_range(1..6));
        }
        // compacted: some are replaced by one
        1 if files.len() > 3 => {
            let bucket = pick(random, &files).bucket;
            files.retain(|file| file.bucket != bucket || random.random_bool(0.3));
            files.push(forge.file(random.random_range(0..1000), bucket).at_level(5));
        }
        // overwritten
        2 if random.random_bool(0.2) => files.clear(),
        _ => {}
    }
    for _ in 0..random.random_range(0..4) {
        files.push(forge.file(random.random_range(0..1000), random.random_range(0..3)));
    }
    for file in &mut files {
        let rows = file.entry.file().row_count;
        if vectors && file.entry.file().level > 0 && random.random_bool(0.2) {
            file.hidden = random.random_bool(0.7).then(|| random.random_range(0..=rows));
        }
    }
    files
}

/// A model of the plan that owes nothing to either reader.
fn names(files: &[Forged], vectors: bool) -> BTreeSet<(String, Option<u64>)> {
    let files = files.iter().filter(|file| !vectors || file.entry.file().level > 0);
    files.map(|file| (file.name().to_owned(), file.hidden.map(|rows| rows as u64))).collect()
}

#[tokio::test]
async fn histories_of_all_kinds_are_planned_as_they_are() {
    let tables = [
        ("append_plain", false),
        ("append_partitioned", false),
        ("pk_overlap", false),
        ("pk_partitioned", false),
        ("pk_dv", true),
    ];
    for (name, vectors) in tables {
        // the small cache has room for one or two snapshots
        for (seed, bytes) in [(1, PlanCache::BYTES_MAX), (2, 20 << 10), (3, 0)] {
            history(name, vectors, seed, bytes).await;
        }
    }
}

async fn history(name: &str, vectors: bool, seed: u64, bytes: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut forge = Forge::of(name, PlanCache::new(bytes)).await;
    let mut all = vec![Forging::default()];
    for step in 0..30 {
        match random.random_range(0..12) {
            // rolled back: other snapshots get the same numbers
            0 if all.len() > 2 => {
                let keep = random.random_range(all.len() - 2..all.len());
                all.drain(keep..).for_each(|gone| forge.remove_snapshot(gone.id));
            }
            // dropped and created again
            1 if random.random_bool(0.3) => {
                for gone in all.drain(..).filter(|gone| gone.id > 0) {
                    forge.remove_snapshot(gone.id);
                }
                all.push(Forging::default());
            }
            // expired
            2 if all.len() > 3 => {
                let gone = all.remove(0);
                if gone.id > 0 {
                    forge.remove_snapshot(gone.id);
                    let table = forge.table().await;
                    let error = table.plan(Some(gone.id)).await.unwrap_err();
                    assert!(matches!(error, LakeError::SnapshotGone { .. }), "{error}");
                }
            }
            _ => {}
        }
        let before = all.last().unwrap().clone();
        let files = change(&mut random, &mut forge, &before, vectors);
        let merge = random.random_bool(0.15) && before.id > 0;
        let next = forge.commit(&before, files, merge, random.random_range(1..5)).await;
        all.push(next);
        let table = forge.table().await;
        let what = format!("{name}, seed {seed}, step {step}");
        for _ in 0..2 {
            let some = pick(&mut random, &all).clone();
            let some = if some.id == 0 || random.random_bool(0.5) { before.clone() } else { some };
            for of in [&some, all.last().unwrap()].into_iter().filter(|of| of.id > 0) {
                let plan = compare(&table, Some(of.id), &what).await;
                let planned = plan.buckets.iter().flat_map(|bucket| &bucket.files).map(|file| {
                    let name = file.path.rsplit('/').next().unwrap().to_owned();
                    (name, file.deletion_vector.as_ref().and_then(|vector| vector.cardinality))
                });
                assert_eq!(planned.collect::<BTreeSet<_>>(), names(&of.files, vectors), "{what}");
            }
        }
    }
}

/// Whoever reads a manifest twice cannot plan here.
#[tokio::test]
async fn a_kept_snapshot_costs_no_manifest_and_the_next_one_its_delta_alone() {
    let mut forge = Forge::of("pk_overlap", PlanCache::default()).await;
    let files: Vec<Forged> = (0..40).map(|at| forge.file(at, at as i32 % 4)).collect();
    let first = forge.commit(&Forging::default(), files.clone(), false, 7).await;
    let table = forge.table().await;
    let planned = table.plan(None).await.unwrap();

    let manifests = forge.path("manifest");
    let aside = forge.path("aside");
    fs::rename(&manifests, &aside).unwrap();
    assert_eq!(table.plan(None).await.unwrap().buckets, planned.buckets);
    let error = table.plan_anew(None).await.unwrap_err();
    assert!(matches!(error, LakeError::SnapshotGone { .. }), "{error}");

    fs::create_dir(&manifests).unwrap();
    let mut more = files[1..].to_vec();
    more.push(forge.file(7, 1));
    let second = forge.commit(&first, more, false, 7).await;
    let next = table.plan(Some(second.id)).await.unwrap();
    // bucket 0 lost a file, bucket 1 got one, the others are the very same
    let shared = |at: usize| Arc::ptr_eq(&planned.buckets[at], &next.buckets[at]);
    assert_eq!([0, 1, 2, 3].map(shared), [false, false, true, true]);
    for entry in fs::read_dir(&aside).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), manifests.join(entry.file_name())).unwrap();
    }
    compare(&table, Some(second.id), "with all manifests").await;
}

/// The snapshot of a table that was dropped is not that of the one created in its place.
#[tokio::test]
async fn a_table_of_the_same_name_does_not_get_the_files_of_a_dropped_one() {
    let mut forge = Forge::of("append_plain", PlanCache::default()).await;
    for round in 0..3 {
        let files: Vec<Forged> = (0..3).map(|at| forge.file(at, 0)).collect();
        let written = forge.commit(&Forging::default(), files, false, 2).await;
        let plan = compare(&forge.table().await, Some(1), "again").await;
        let files = plan.buckets.iter().flat_map(|bucket| &bucket.files);
        let has = |name: &str| files.clone().any(|file| file.path.ends_with(name));
        assert!(written.files.iter().all(|file| has(file.name())), "round {round}");
        forge.remove_snapshot(1);
        forge.remove_manifests();
        let gone = forge.table().await.plan(Some(1)).await.unwrap_err();
        assert!(gone.is_expired(), "{gone}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    for bytes in [0, 8 << 10, 64 << 10, PlanCache::BYTES_MAX] {
        let cache = Arc::new(PlanCache::new(bytes));
        let mut forge = Forge::of("pk_overlap", PlanCache::default()).await;
        forge.catalog = forge.catalog.clone().with_cache(&cache);
        let mut before = Forging::default();
        for at in 0..20 {
            let mut files = before.files.clone();
            files.push(forge.file(at, 0));
            before = forge.commit(&before, files, false, 7).await;
            compare(&forge.table().await, None, "bounded").await;
            assert!(cache.bytes() <= bytes, "{} of {bytes}", cache.bytes());
        }
        assert_eq!(cache.bytes() > 0, bytes > 0);
    }
}

/// Statements that come together wait for one that reads. It has read when the manifests go; those
/// that would read for themselves fail.
#[tokio::test]
async fn manifests_are_read_by_one_statement_at_a_time() {
    let mut forge = Forge::of("append_plain", PlanCache::default()).await;
    let files: Vec<Forged> = (0..30).map(|at| forge.file(at, 0)).collect();
    forge.commit(&Forging::default(), files, false, 1).await;
    let table = forge.table().await;
    let manifests = forge.path("manifest");
    let first = async {
        let plan = table.plan(None).await;
        fs::remove_dir_all(&manifests).unwrap();
        plan
    };
    let rest = futures::future::join_all((0..20).map(|_| table.plan(None)));
    let (first, rest) = futures::join!(first, rest);
    let first = first.unwrap();
    for plan in rest {
        assert!(Arc::ptr_eq(&plan.unwrap().buckets[0], &first.buckets[0]));
    }
}
