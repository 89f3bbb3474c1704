//! The judge, judged.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::case::{Case, Expected, Further, LOG, Row};
use super::history::{Floor, Keys, Reach, Sequences, Side};
use super::lake::HalfUpdate;
use super::spoil::Spoil;
use super::values::{added, mix, part};
use super::window::{ABSENT, KeyWindow, WriterWindow};

fn row(key: i64, version: i64) -> Row {
    let a = i64::from(part(key, version));
    [key, version, a, 1000 - a, mix(key, version)].map(Some).to_vec()
}

fn rows_of(keys: Vec<KeyWindow>, answer: Vec<Row>) -> Case {
    let expected = Expected::Rows { table: "t".into(), further: vec![], above: None, keys };
    Case { sql: String::new(), parameters: vec![], expected, answer }
}

/// Key 0 has versions 1 and 2, of which 1 is acknowledged; key 1 was written, acknowledged and deleted; key 2 never was.
fn keys() -> Keys {
    let mut keys = Keys::new(3);
    keys.send(0, false);
    keys.send(1, false);
    keys.acknowledge([0, 1]);
    keys.send(0, false);
    keys.send(1, true);
    keys
}

fn windows(keys: &Keys) -> Vec<KeyWindow> {
    let mut floor = Floor::default();
    keys.raise(Side::Whole, &mut floor);
    keys.windows(Side::Whole, &mut floor, 0..keys.len())
}

fn judged(answer: &[Row]) -> Result<(), String> {
    let case = rows_of(windows(&keys()), answer.to_vec());
    case.judge().map(|_| ()).map_err(|wrong| wrong.what)
}

#[test]
fn every_version_in_the_window_is_right() {
    for rows in [&[row(0, 1), row(1, 1)][..], &[row(1, 1), row(0, 2)], &[row(0, 2)]] {
        assert_eq!(judged(rows), Ok(()), "{rows:?}");
    }
}

#[test]
fn everything_else_is_wrong_and_says_why() {
    let mut mixture = row(0, 1);
    mixture[4] = Some(7);
    let mut swapped = row(0, 1);
    swapped[2..4].clone_from_slice(&row(0, 2)[2..4]);
    for (rows, why) in [
        (&[row(1, 1)][..], "missing"),
        (&[row(0, 1), row(0, 1)], "twice"),
        (&[row(0, 3)], "never written"),
        (&[row(0, 0)], "too old"),
        (&[row(0, 1), row(1, 2)], "deleted"),
        (&[row(0, 1), row(2, 1)], "never written"),
        (&[row(0, 1), row(2, 0)], "deleted"),
        (&[row(9, 1)], "nobody asked"),
        (&[mixture], "mixture"),
        (&[swapped], "mixture"),
        (&[row(0, 1)[..4].to_vec()], "columns"),
    ] {
        let error = judged(rows).unwrap_err();
        assert!(error.contains(why), "{rows:?}: {error}");
    }
}

#[test]
fn a_session_does_not_go_back() {
    let keys = keys();
    let mut floor = Floor::default();
    let mut judge = |rows: &[Row]| {
        let windows = keys.windows(Side::Whole, &mut floor, 0..3);
        let shown = rows_of(windows, rows.to_vec()).judge().map_err(|wrong| wrong.what)?;
        shown.keys[0].iter().for_each(|(key, version)| floor.learn(*key, *version));
        Ok::<_, String>(())
    };
    judge(&[row(0, 2)]).unwrap();
    assert!(judge(&[row(0, 1)]).unwrap_err().contains("too old"));
    // key 1 was seen absent before its first version, so it may still come
    judge(&[row(0, 2), row(1, 1)]).unwrap();
    assert!(judge(&[]).unwrap_err().contains("key 0 is missing"));
}

#[test]
fn a_dropped_partition_shows_what_the_lake_has_and_a_new_one_what_is_written() {
    let mut keys = keys();
    let mut floor = Floor::default();
    keys.raise(Side::Whole, &mut floor);
    floor.learn(0, 2);
    keys.forget(|key| key == 0);
    assert!(keys.is_absent(0), "the next version is a row, whatever was there");
    let mut windows = |keys: &Keys| {
        keys.raise(Side::Whole, &mut floor);
        keys.windows(Side::Whole, &mut floor, 0..1)
    };
    for rows in [vec![], vec![row(0, 1)], vec![row(0, 2)]] {
        assert!(rows_of(windows(&keys), rows.clone()).judge().is_ok(), "{rows:?}");
    }
    let version = keys.send(0, false);
    keys.acknowledge([0]);
    assert!(rows_of(windows(&keys), vec![row(0, version)]).judge().is_ok());
    for rows in [vec![], vec![row(0, 2)]] {
        assert!(rows_of(windows(&keys), rows.clone()).judge().is_err(), "{rows:?}");
    }
    keys.send(0, true);
    keys.acknowledge([0]);
    for rows in [vec![], vec![row(0, 1)], vec![row(0, 2)]] {
        assert!(rows_of(windows(&keys), rows.clone()).judge().is_ok(), "{rows:?}");
    }
    assert!(
        rows_of(windows(&keys), vec![row(0, version)]).judge().is_err(),
        "of the new partition"
    );
}

#[test]
fn nothing_of_a_re_created_table_comes_back() {
    let mut keys = keys();
    keys.add_column();
    keys.begin_creation();
    assert_eq!(keys.creations() % 2, 1);
    assert!(rows_of(windows(&keys), vec![row(0, 2)]).judge().is_ok(), "it is still being dropped");
    keys.end_creation();
    assert_eq!(keys.added(), 0, "the new table has no added column");
    for side in [Side::Whole, Side::Lake] {
        let mut floor = Floor::default();
        keys.raise(side, &mut floor);
        let windows = keys.windows(side, &mut floor, 0..3);
        assert!(rows_of(windows.clone(), vec![]).judge().is_ok());
        assert!(rows_of(windows, vec![row(0, 2)]).judge().is_err(), "{side:?}");
    }
}

#[test]
fn further_columns_have_the_values_of_their_version() {
    let keys = vec![
        KeyWindow {
            key: 4,
            low: 1,
            acked: 1,
            versions: vec![0],
            revivable: vec![],
            is_half_updated: false,
        },
        KeyWindow {
            key: 5,
            low: 1,
            acked: 1,
            versions: vec![1],
            revivable: vec![],
            is_half_updated: false,
        },
    ];
    let with = |key: i64, further: [Option<i64>; 2]| [row(key, 1), further.to_vec()].concat();
    let further = vec![Further::Partition(4), Further::Added(0)];
    let judge = |answer: Vec<Row>| {
        let (keys, further) = (keys.clone(), further.clone());
        let expected = Expected::Rows { table: "t".into(), further, above: None, keys };
        Case { sql: String::new(), parameters: vec![], expected, answer }.judge()
    };
    let right = [with(4, [Some(0), None]), with(5, [Some(1), Some(added(5, 1, 0))])];
    assert!(judge(right.to_vec()).is_ok());
    for wrong in [
        [with(4, [Some(1), None]), right[1].clone()],
        [with(4, [Some(0), Some(1)]), right[1].clone()],
        [right[0].clone(), with(5, [Some(1), None])],
        [right[0].clone(), with(5, [Some(1), Some(added(5, 2, 0))])],
    ] {
        assert!(judge(wrong.to_vec()).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_condition_on_the_version_hides_rows() {
    let judge = |answer: Vec<Row>, above| {
        let keys = windows(&keys());
        let expected = Expected::Rows { table: "t".into(), further: vec![], above, keys };
        Case { sql: String::new(), parameters: vec![], expected, answer }.judge().is_ok()
    };
    assert!(judge(vec![], Some(1)), "key 0 may still be at version 1, which does not fit");
    assert!(judge(vec![row(0, 2)], Some(1)));
    assert!(!judge(vec![row(0, 1)], Some(1)), "a row that does not fit");
    assert!(!judge(vec![], Some(0)), "key 0 fits in every version");
}

#[test]
fn sums_lie_in_their_bounds() {
    let judge = |modulus: i64, answer: &[[i64; 5]]| {
        let keys = windows(&keys());
        let expected = Expected::Sums { table: "t".into(), modulus, keys };
        let answer = answer.iter().map(|row| row.map(Some).to_vec()).collect();
        Case { sql: String::new(), parameters: vec![], expected, answer }.judge().is_ok()
    };
    assert!(judge(1, &[[0, 1, 1, 2, 1000]]));
    assert!(judge(1, &[[0, 2, 2, 3, 2000]]));
    assert!(judge(2, &[[0, 1, 1, 1, 1000], [1, 1, 1, 1, 1000]]));
    assert!(judge(2, &[[0, 1, 1, 1, 1000]]), "key 1 may be absent, and its group with it");
    for wrong in [
        &[][..],
        &[[0, 3, 3, 3, 3000]],
        &[[0, 2, 1, 3, 2000]],
        &[[0, 2, 2, 4, 2000]],
        &[[0, 2, 2, 3, 1999]],
        &[[1, 2, 2, 3, 2000]],
    ] {
        assert!(!judge(1, wrong), "{wrong:?}");
    }
}

fn log(sequences: &Sequences, answer: Vec<Row>, is_counted: bool) -> Result<(), String> {
    let mut reach = Reach::default();
    sequences.raise(&mut reach);
    let windows = sequences.windows(&mut reach);
    let expected = if is_counted { Expected::Counts(windows) } else { Expected::Log(windows) };
    let case = Case { sql: LOG.into(), parameters: vec![], expected, answer };
    case.judge().map(|_| ()).map_err(|wrong| wrong.what)
}

#[test]
fn sequences_are_whole_up_to_somewhere() {
    let mut sequences = Sequences::default();
    let writer = sequences.begin();
    (0..3).for_each(|_| {
        sequences.send(writer);
    });
    sequences.acknowledge(writer);
    (0..2).for_each(|_| {
        sequences.send(writer);
    });
    let counted = |sequences: &Sequences, row: [i64; 3]| {
        let row = [0, row[0], row[1], row[2]].map(Some).to_vec();
        log(sequences, vec![row], true)
    };
    let listed = |sequences: &Sequences, numbers: &[i64]| {
        let row = |n: &i64| vec![Some(0), Some(*n), Some(mix(0, *n))];
        log(sequences, numbers.iter().map(row).collect(), false)
    };
    assert_eq!(counted(&sequences, [3, 3, 6]), Ok(()));
    assert_eq!(counted(&sequences, [5, 5, 15]), Ok(()));
    assert_eq!(listed(&sequences, &[3, 1, 2, 4]), Ok(()));
    for wrong in [[2, 2, 3], [4, 3, 9], [4, 5, 11], [6, 6, 21], [3, 3, 7], [0, 0, 0]] {
        assert!(counted(&sequences, wrong).is_err(), "{wrong:?}");
    }
    for wrong in [&[1, 2][..], &[1, 2, 3, 3], &[1, 2, 3, 5], &[1, 2, 3, 4, 5, 6], &[2, 3, 4]] {
        assert!(listed(&sequences, wrong).is_err(), "{wrong:?}");
    }
    // row 4 may be lost once writing failed, row 3 may not
    sequences.fail(writer);
    assert_eq!(counted(&sequences, [4, 5, 11]), Ok(()));
    assert_eq!(listed(&sequences, &[1, 2, 3, 5]), Ok(()));
    assert!(counted(&sequences, [4, 3, 9]).is_err());
    assert!(counted(&sequences, [2, 5, 11]).is_err());
    assert!(listed(&sequences, &[1, 2, 4, 5]).is_err());
    assert!(listed(&sequences, &[1, 2, 3, 5, 5]).is_err());
}

/// A right answer of a random history, as an engine without defects would give it.
fn right(random: &mut StdRng) -> Case {
    let window = |key: i64, random: &mut StdRng| {
        let (low, length) = (random.random_range(1..9), random.random_range(1..4));
        let state = |_| if random.random_bool(0.3) { ABSENT } else { 0 };
        let versions = (0..length).map(state).collect();
        KeyWindow { key, low, acked: 1, versions, revivable: vec![], is_half_updated: false }
    };
    let keys: Vec<KeyWindow> = (0..40).map(|key| window(key, random)).collect();
    let mut shown = vec![];
    for window in &keys {
        let at = random.random_range(0..window.versions.len());
        if window.versions[at] != ABSENT {
            shown.push(row(window.key, i64::from(window.low) + at as i64));
        }
    }
    match random.random_range(0..3) {
        0 => rows_of(keys, shown),
        1 => {
            let (count, versions) =
                (shown.len() as i64, shown.iter().filter_map(|row| row[1]).sum());
            let answer = vec![[0, count, count, versions, count * 1000].map(Some).to_vec()];
            let expected = Expected::Sums { table: "t".into(), modulus: 1, keys };
            Case { sql: String::new(), parameters: vec![], expected, answer }
        }
        _ => {
            let acked = random.random_range(1..20);
            let sent = acked + random.random_range(0..5);
            let failed = random.random_bool(0.5);
            let there =
                |n: &i64, random: &mut StdRng| *n <= acked || !failed || random.random_bool(0.5);
            let row = |n: i64| vec![Some(0), Some(n), Some(mix(0, n))];
            let answer = (1..=sent).filter(|n| there(n, random)).map(row).collect();
            let writer = WriterWindow { writer: 0, low: acked, acked, sent, failed };
            let expected = Expected::Log(vec![writer]);
            Case { sql: String::new(), parameters: vec![], expected, answer }
        }
    }
}

/// Each defect, in hundreds of random answers: the right answer passes, the spoiled one never does.
#[test]
fn no_spoiled_answer_passes() {
    let mut random = StdRng::seed_from_u64(5);
    for spoil in Spoil::ALL {
        let mut spoiled = 0;
        for _ in 0..600 {
            let mut case = right(&mut random);
            assert!(case.judge().is_ok(), "{case:?}: {:?}", case.judge());
            if spoil.spoil(&mut case, &mut random) {
                spoiled += 1;
                assert!(case.judge().is_err(), "{spoil:?} passes: {case:?}");
            }
        }
        assert!(spoiled > 100, "{spoil:?} had {spoiled} chances");
    }
}

#[test]
fn a_case_survives_its_file() {
    let mut random = StdRng::seed_from_u64(6);
    for _ in 0..20 {
        let case = right(&mut random);
        let text = serde_json::to_string(&case).unwrap();
        assert_eq!(serde_json::from_str::<Case>(&text).unwrap(), case);
    }
}

#[test]
fn a_lake_that_ends_inside_of_an_update_lacks_just_that_key() {
    let mut keys = keys();
    keys.send(2, false);
    keys.acknowledge([0, 2]);
    let half = HalfUpdate { table: "t".into(), key: 2, bucket: 0, offset: 7 };
    let judged = |sql: &str, half: &HalfUpdate, answer: &[Row]| {
        let mut case = rows_of(windows(&keys), answer.to_vec());
        case.sql = sql.into();
        case.without(std::slice::from_ref(half)).judge().is_ok()
    };
    let (lake, rest) = ("SELECT … FROM c.d.`t$lake`", [row(0, 2)]);
    assert!(!judged(lake, &HalfUpdate { key: 0, ..half.clone() }, &rest), "another key");
    assert!(!judged("SELECT … FROM c.d.`t`", &half, &rest), "a union has the rest of the log");
    assert!(judged(lake, &half, &rest));
    assert!(!judged(lake, &half, &[]), "another key is missing too");
    let sums = |count: i64| {
        let keys = windows(&keys);
        let expected = Expected::Sums { table: "t".into(), modulus: 1, keys };
        let answer = vec![[0, count, count, 2, count * 1000].map(Some).to_vec()];
        let case = Case { sql: lake.into(), parameters: vec![], expected, answer };
        (case.judge().is_ok(), case.without(std::slice::from_ref(&half)).judge().is_ok())
    };
    assert_eq!(sums(1), (false, true));
    assert_eq!(sums(0), (false, false));
}
