//! Reading primary-key tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use fluss_scan::kv::KvScan;
use fluss_scan::{ChangeType, FlussClient, TableInfo};

use super::{CaseResult, Row, World, columns, cut, end, ensure, equal, read, records, rows};

/// A change log is what was written, and folds to the state; the state read by its own way is the same.
///
/// # Errors
/// What is wrong.
pub async fn changelog<W: World>(world: &W, is_wal: bool) -> CaseResult {
    use ChangeType::{Delete, Insert, UpdateAfter, UpdateBefore};
    let name = if is_wal { "changes_wal" } else { "changes" };
    let image = if is_wal { "WAL" } else { "FULL" };
    let spec = columns().key(&["id"]).property("table.changelog.image", image);
    let path = world.create(name, spec).await?;
    let (old, new): (Vec<_>, Vec<_>) = (0..12).map(|id| (Row::new(id, 1), Row::new(id, 2))).unzip();
    world.write(&path, &old).await?;
    world.write(&path, &new[..4]).await?;
    world.delete(&path, &new[2..6]).await?;
    let insert = if is_wal { UpdateAfter } else { Insert };
    let mut wanted: Vec<(ChangeType, Row)> = old.iter().map(|r| (insert, r.clone())).collect();
    for (old, new) in old.iter().zip(&new[..4]) {
        if !is_wal {
            wanted.push((UpdateBefore, old.clone()));
        }
        wanted.push((UpdateAfter, new.clone()));
    }
    let deleted = [&new[2], &new[3], &old[4], &old[5]];
    wanted.extend(deleted.map(|row| (Delete, row.clone())));

    let client = world.client();
    let table = client.table_info(&path).await?;
    let to = end(&client, &table).await?;
    equal("the end", &to, &(wanted.len() as i64))?;
    for projection in [None, Some(vec![0]), Some(vec![0, 2])] {
        for start in [0, 1, to / 2, to - 1] {
            let found = read(&client, &table, start..to, projection.clone()).await?;
            let found = records(&found, start..to)?;
            let columns = projection.as_deref().unwrap_or(&[0, 1, 2]);
            let wanted = wanted.iter().map(|(change, row)| (*change, one(row, columns)));
            let wanted: Vec<_> = wanted.skip(start as usize).collect();
            let found: Vec<_> = found.into_iter().map(|(_, change, row)| (change, row)).collect();
            equal("changes", &found, &wanted)?;
        }
    }
    let mut state: BTreeMap<i64, Row> = old.iter().map(|row| (row.id, row.clone())).collect();
    state.extend(new[..2].iter().map(|row| (row.id, row.clone())));
    (2..6).for_each(|id| drop(state.remove(&id)));
    same_state(&client, &table, &state, to).await
}

fn one(row: &Row, columns: &[usize]) -> Row {
    cut(std::slice::from_ref(row), columns).remove(0)
}

/// Reads the state and compares it and its offset.
async fn same_state(
    client: &Arc<FlussClient>,
    table: &TableInfo,
    state: &BTreeMap<i64, Row>,
    offset: i64,
) -> CaseResult {
    let columns = table.schema.columns.len();
    for projection in [(0..columns).collect(), vec![0], (0..columns).step_by(2).collect()] {
        let wanted: Vec<Row> = state.values().map(|row| one(row, &projection)).collect();
        let table = table.clone();
        let scan = KvScan { table, partition_id: None, bucket: 0, projection };
        let found = client.scan_kv(scan).await?;
        equal("the offset of the state", &found.offset, &offset)?;
        let mut found = rows(&found.fold(&[0])?);
        found.sort();
        equal("the state", &found, &wanted)?;
    }
    Ok(())
}

/// Empty batches take offsets: at the end of a log, and alone.
///
/// # Errors
/// What is wrong.
pub async fn empty_batches<W: World>(world: &W) -> CaseResult {
    let path = world.create("empty_batches", columns().key(&["id"])).await?;
    let missing = Row::new(99, 1);
    world.delete(&path, std::slice::from_ref(&missing)).await?;
    let written: Vec<Row> = (0..10).map(|id| Row::new(id, 1)).collect();
    world.write(&path, &written).await?;
    for _ in 0..3 {
        world.delete(&path, std::slice::from_ref(&missing)).await?;
    }
    let client = world.client();
    let table = client.table_info(&path).await?;
    equal("the end", &end(&client, &table).await?, &14)?;
    for projection in [None, Some(vec![0]), Some(vec![0, 1])] {
        for range in [0..14, 0..1, 0..11, 5..14, 11..14, 12..13, 13..14, 10..12] {
            let found = read(&client, &table, range.clone(), projection.clone()).await?;
            let found = records(&found, range.clone())?;
            let offsets: Vec<i64> = found.iter().map(|(offset, ..)| *offset).collect();
            let wanted: Vec<i64> = range.filter(|offset| (1..11).contains(offset)).collect();
            equal("offsets with a row", &offsets, &wanted)?;
        }
    }
    let state = written.iter().map(|row| (row.id, row.clone())).collect();
    same_state(&client, &table, &state, 14).await
}

/// The first row of a key stays where the table says so.
///
/// # Errors
/// What is wrong.
pub async fn first_row<W: World>(world: &W) -> CaseResult {
    let spec = columns().key(&["id"]).property("table.merge-engine", "first_row");
    let path = world.create("first_row", spec).await?;
    let rows_of = |version| (0..20).map(|id| Row::new(id, version)).collect::<Vec<_>>();
    world.write(&path, &rows_of(1)).await?;
    world.write(&path, &rows_of(2)).await?;
    let client = world.client();
    let table = client.table_info(&path).await?;
    equal("the end", &end(&client, &table).await?, &21)?;
    let found = records(&read(&client, &table, 0..21, None).await?, 0..21)?;
    let found: Vec<Row> = found.into_iter().map(|(_, _, row)| row).collect();
    equal("changes", &found, &rows_of(1))?;
    let state = rows_of(1).into_iter().map(|row| (row.id, row)).collect();
    same_state(&client, &table, &state, 21).await
}

/// Rows of a state from before a column was added have NULL in it.
///
/// # Errors
/// What is wrong.
pub async fn evolved_state<W: World>(world: &W) -> CaseResult {
    let path = world.create("evolved_state", columns().key(&["id"])).await?;
    let old: Vec<Row> = (0..10).map(|id| Row::new(id, 1)).collect();
    world.write(&path, &old).await?;
    world.add_extra(&path).await?;
    let extra = |row: Row| Row { extra: Some(5), ..row };
    let new: Vec<Row> = (5..15).map(|id| extra(Row::new(id, 2))).collect();
    world.write(&path, &new).await?;
    world.delete(&path, &[Row::new(0, 1)]).await?;
    let client = world.client();
    let table = client.table_info(&path).await?;
    let mut state: BTreeMap<i64, Row> = old.into_iter().map(|row| (row.id, row)).collect();
    state.extend(new.into_iter().map(|row| (row.id, row)));
    state.remove(&0);
    let to = end(&client, &table).await?;
    same_state(&client, &table, &state, to).await?;
    let found = records(&read(&client, &table, 0..to, Some(vec![0, 3])).await?, 0..to)?;
    let folded = found.into_iter().fold(BTreeMap::new(), |mut state, (_, change, row)| {
        match change.sets() {
            true => state.insert(row.id, row),
            false => state.remove(&row.id),
        };
        state
    });
    let wanted: Vec<Row> = state.values().map(|row| one(row, &[0, 3])).collect();
    equal("the fold of the change log", &folded.into_values().collect(), &wanted)
}

/// The state, read while others write, is the one at the offset that it names.
///
/// # Errors
/// What is wrong.
pub async fn state_under_writes<W: World>(world: &W, rounds: i32) -> CaseResult {
    let path = world.create("under_writes", columns().key(&["id"])).await?;
    let client = world.client();
    let table = client.table_info(&path).await?;
    let write = async {
        for round in 0..rounds {
            let rows: Vec<Row> = (0..20)
                .filter(|id| (id + i64::from(round)) % 3 != 0)
                .map(|id| Row::new(id, round))
                .collect();
            world.write(&path, &rows).await?;
            let (gone, _) = rows.split_at(rows.len() / 4);
            world.delete(&path, gone).await?;
        }
        Ok(())
    };
    let scan = async {
        let mut states = vec![];
        for _ in 0..rounds {
            let (table, projection) = (table.clone(), vec![0, 1, 2]);
            let scan = KvScan { table, partition_id: None, bucket: 0, projection };
            let found = client.scan_kv(scan).await?;
            states.push((found.offset, found));
        }
        CaseResult::Ok(states)
    };
    let (written, states): (CaseResult, _) = futures::join!(write, scan);
    written?;
    let to = end(&client, &table).await?;
    let changes = records(&read(&client, &table, 0..to, None).await?, 0..to)?;
    for (offset, found) in states? {
        ensure(offset <= to, || format!("a state at {offset}, beyond the end {to}"))?;
        let mut wanted: BTreeMap<i64, Row> = BTreeMap::new();
        for (_, change, row) in changes.iter().filter(|(at, ..)| *at < offset) {
            match change.sets() {
                true => wanted.insert(row.id, row.clone()),
                false => wanted.remove(&row.id),
            };
        }
        let mut found = rows(&found.fold(&[0])?);
        found.sort();
        equal(&format!("the state at {offset}"), &found, &wanted.into_values().collect())?;
    }
    Ok(())
}
