//! Reading log tables.

use fluss_scan::{Error, OffsetSpec};

use super::{
    CaseResult, Row, World, columns, cut, end, ensure, equal, offset, read, records, rows,
};

/// Rows in several batches, read whole, in columns, and in every part.
///
/// # Errors
/// What is wrong.
pub async fn parts<W: World>(world: &W, compression: &str) -> CaseResult {
    let spec = columns().property("table.log.arrow.compression.type", compression);
    let name = format!("parts_{}", compression.to_lowercase());
    let path = world.create(&name, spec).await?;
    let mut written = vec![];
    for (from, to) in [(0, 10), (10, 11), (11, 40)] {
        let rows: Vec<Row> = (from..to).map(|id| Row::new(id, 1)).collect();
        world.write(&path, &rows).await?;
        written.extend(rows);
    }
    let client = world.client();
    let table = client.table_info(&path).await?;
    let to = end(&client, &table).await?;
    equal("the end", &to, &40)?;
    equal("the beginning", &offset(&client, &table, OffsetSpec::Earliest).await?, &0)?;
    for projection in [None, Some(vec![0]), Some(vec![1, 2]), Some(vec![0, 2])] {
        // inside of batches, on their edges, single rows, nothing
        for range in [0..40, 3..40, 0..5, 9..11, 10..11, 39..40, 11..40, 12..13, 7..7, 40..40] {
            let batches = read(&client, &table, range.clone(), projection.clone()).await?;
            let found: usize = batches.iter().map(|batch| batch.rows.num_rows()).sum();
            let wanted = &written[range.start as usize..range.end as usize];
            equal("the number of rows", &found, &wanted.len())?;
            let found = records(&batches, range)?;
            let found: Vec<Row> = found.into_iter().map(|(_, _, row)| row).collect();
            let wanted = cut(wanted, projection.as_deref().unwrap_or(&[0, 1, 2]));
            equal("rows", &found, &wanted)?;
        }
    }
    Ok(())
}

/// A column that was added is NULL in the rows from before, whatever is asked for.
///
/// # Errors
/// What is wrong.
pub async fn evolved<W: World>(world: &W) -> CaseResult {
    let path = world.create("evolved", columns()).await?;
    let mut written: Vec<Row> = (0..10).map(|id| Row::new(id, 1)).collect();
    world.write(&path, &written).await?;
    world.add_extra(&path).await?;
    let new: Vec<Row> = (10..20).map(|id| Row { extra: Some(7), ..Row::new(id, 2) }).collect();
    world.write(&path, &new).await?;
    written.extend(new);
    let client = world.client();
    let table = client.table_info(&path).await?;
    equal("columns", &table.schema.columns.len(), &4)?;
    for projection in [None, Some(vec![3]), Some(vec![0, 3]), Some(vec![0]), Some(vec![1, 2, 3])] {
        for range in [0..20, 5..15, 10..20, 0..10] {
            let batches = read(&client, &table, range.clone(), projection.clone()).await?;
            let found: Vec<Row> = batches.iter().flat_map(|batch| rows(&batch.rows)).collect();
            let wanted = &written[range.start as usize..range.end as usize];
            let wanted = cut(wanted, projection.as_deref().unwrap_or(&[0, 1, 2, 3]));
            equal("rows", &found, &wanted)?;
        }
    }
    Ok(())
}

/// An offset beyond the end, a partition and a table that are not there are errors of their own.
///
/// # Errors
/// What is wrong.
pub async fn out_of_range<W: World>(world: &W) -> CaseResult {
    let path = world.create("out_of_range", columns()).await?;
    world.write(&path, &[Row::new(0, 1), Row::new(1, 1)]).await?;
    let client = world.client();
    let table = client.table_info(&path).await?;
    let beyond = read(&client, &table, 5..9, None).await;
    let is_told = matches!(beyond, Err(Error::OffsetOutOfRange { offset: 5, start: 0, .. }));
    ensure(is_told, || format!("beyond the end: {beyond:?}"))?;
    let unknown = client.offsets(&table, Some(987_654), &[0], OffsetSpec::Latest).await;
    ensure(matches!(unknown, Err(Error::NotFound(_))), || format!("partition: {unknown:?}"))?;
    let unknown = client.table_info(&fluss_scan::TablePath::new(&path.database, "nothing")).await;
    ensure(matches!(unknown, Err(Error::NotFound(_))), || format!("table: {unknown:?}"))
}

/// A log whose older part is in remote segments is read through, from anywhere.
///
/// # Errors
/// What is wrong.
pub async fn remote<W: World>(world: &W, rows_per_batch: i64, batches: i64) -> CaseResult {
    let spec = columns()
        .property("table.log.arrow.compression.type", "NONE")
        .property("table.log.tiered.local-segments", "1");
    let path = world.create("remote", spec).await?;
    let count = rows_per_batch * batches;
    for from in (0..count).step_by(usize::try_from(rows_per_batch)?) {
        let rows: Vec<Row> = (from..from + rows_per_batch).map(|id| Row::new(id, 1)).collect();
        world.write(&path, &rows).await?;
    }
    if !world.tier(&path).await? {
        return Ok(());
    }
    let client = world.client();
    let table = client.table_info(&path).await?;
    equal("the beginning", &offset(&client, &table, OffsetSpec::Earliest).await?, &0)?;
    equal("the end", &end(&client, &table).await?, &count)?;
    for projection in [None, Some(vec![0]), Some(vec![1, 2])] {
        for start in [0, 1, rows_per_batch - 1, rows_per_batch, count / 2 + 1, count - 1] {
            let found = read(&client, &table, start..count, projection.clone()).await?;
            let found = records(&found, start..count)?;
            let wanted: Vec<Row> = (start..count).map(|id| Row::new(id, 1)).collect();
            let wanted = cut(&wanted, projection.as_deref().unwrap_or(&[0, 1, 2]));
            ensure(found.len() == wanted.len(), || format!("{} rows from {start}", found.len()))?;
            let differ = found.iter().zip(&wanted).find(|((_, _, is), must)| is != *must);
            ensure(differ.is_none(), || format!("from {start}: {differ:?}"))?;
        }
    }
    Ok(())
}
