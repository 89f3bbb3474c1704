//! The `.slt` files beside this one: queries and their answers, as MySQL's and StarRocks' documentation give them.
//!
//! The files are those of sqllogictest: `query TT` with rows after `----`, or `statement error` with a part of the message. Values are
//! compared as a MySQL client sees them; an empty text is written `(empty)`. A file may begin with the zone of its session.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod engine;

use std::fmt::Write as _;

use engine::answer_in;
use sql_functions::Zone;

/// Runs the records of one file; what is wrong, in words.
async fn run(path: &std::path::Path) -> (usize, String) {
    let (mut count, mut wrong) = (0, String::new());
    let text = std::fs::read_to_string(path).unwrap();
    let zone = text.lines().next().and_then(|line| line.strip_prefix("# zone "));
    let zone = zone.map_or(Zone::UTC, |zone| Zone::parse(zone).unwrap());
    for record in text.split("\n\n") {
        let lines: Vec<&str> =
            record.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let Some((head, rest)) = lines.split_first() else { continue };
        count += 1;
        let place = format!("{}: {}", path.file_name().unwrap().to_string_lossy(), rest.join(" "));
        if let Some(expected) = head.strip_prefix("statement error") {
            match answer_in(zone, &rest.join("\n")).await {
                Err(told) if told.contains(expected.trim()) => {}
                other => {
                    writeln!(wrong, "{place}\n  wanted the error{expected}, got {other:?}").unwrap()
                }
            }
            continue;
        }
        assert!(head.starts_with("query"), "{head}");
        let end = rest.iter().position(|line| *line == "----").unwrap_or_else(|| panic!("{place}"));
        let expected: Vec<String> = rest[end + 1..].iter().map(ToString::to_string).collect();
        match answer_in(zone, &rest[..end].join("\n")).await {
            Ok(rows) => {
                let mut rows: Vec<String> = rows.into_iter().map(|row| row.join(" ")).collect();
                if head.ends_with("rowsort") {
                    rows.sort();
                }
                if rows != expected {
                    writeln!(wrong, "{place}\n  wanted {expected:?}\n  got    {rows:?}").unwrap();
                }
            }
            Err(told) => {
                writeln!(wrong, "{place}\n  wanted {expected:?}\n  told   {told}").unwrap()
            }
        }
    }
    (count, wrong)
}

#[tokio::test]
async fn answers_are_those_of_the_documentation() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let (mut records, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let (count, told) = run(&entry.unwrap().path()).await;
        records += count;
        wrong.push_str(&told);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(records > 300, "only {records} records were run");
}
