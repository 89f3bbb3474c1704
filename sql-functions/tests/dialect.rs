//! Generated expressions, answered here and by a MariaDB: what differs is fixed or has its reason in `dialect/differences.txt`.
//!
//! `make test-dialect` starts the MariaDB. SEED and EXPRESSIONS choose what is generated.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod engine;
#[path = "dialect/generate.rs"]
mod generate;

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use regex::Regex;

/// Compared like this server compares: byte by byte, without padding.
const SETUP: [&str; 3] = [
    "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin",
    "SET time_zone = '+00:00'",
    "SET sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
];

struct Known {
    pattern: Regex,
    reason: String,
    met: usize,
}

/// Lines `pattern => reason`; the pattern is matched with `expression → ours ≠ theirs`.
fn known() -> Vec<Known> {
    let lines = include_str!("dialect/differences.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let each = |line: &str| {
        let (pattern, reason) = line.split_once(" => ").unwrap_or_else(|| panic!("{line}"));
        Known { pattern: Regex::new(pattern).unwrap(), reason: reason.into(), met: 0 }
    };
    lines.map(each).collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// One value as text, and whether it is a double.
async fn theirs(conn: &mut Conn, sql: &str) -> (Result<String, String>, bool) {
    let rows: Result<Option<Row>, _> = conn.query_first(sql).await;
    match rows {
        Ok(Some(row)) => {
            let double = matches!(
                row.columns_ref()[0].column_type(),
                ColumnType::MYSQL_TYPE_DOUBLE | ColumnType::MYSQL_TYPE_FLOAT
            );
            let text = match row.as_ref(0).unwrap() {
                Value::NULL => "NULL".into(),
                Value::Bytes(bytes) if bytes.is_empty() => "(empty)".into(),
                Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                other => panic!("{sql}: {other:?}"),
            };
            (Ok(text), double)
        }
        Ok(None) => (Ok("no row".into()), false),
        Err(error) => (Err(error.to_string()), false),
    }
}

/// Doubles differ in the last digit between libraries of mathematics.
fn same(ours: &str, theirs: &str, double: bool) -> bool {
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-13 * a.abs().max(b.abs());
    ours == theirs
        || (double && matches!((ours.parse(), theirs.parse()), (Ok(a), Ok(b)) if close(a, b)))
}

#[tokio::test]
#[ignore = "needs a MariaDB: make test-dialect"]
async fn expressions_mean_what_they_mean_to_mariadb() {
    let socket = std::env::var("DIALECT_SOCKET").expect("DIALECT_SOCKET");
    let options = OptsBuilder::default().socket(Some(socket)).user(Some("root"));
    let mut conn = Conn::new(options).await.unwrap();
    for statement in SETUP {
        conn.query_drop(statement).await.unwrap();
    }
    let (seed, count) = (number("SEED", 1), number("EXPRESSIONS", 2000));
    let mut generator = generate::Generator::new(seed);
    let mut known = known();
    let mut unexplained = vec![];
    let (mut equal, mut refused, mut wrong) = (0, 0, 0);
    for _ in 0..count {
        let sql = format!("SELECT {}", generator.expression());
        let (theirs, double) = theirs(&mut conn, &sql).await;
        let ours = engine::answer(&sql).await.map(|rows| rows[0][0].clone());
        let is_same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => same(ours, theirs, double),
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if is_same {
            equal += 1;
            wrong += usize::from(ours.is_err());
            continue;
        }
        // one line for each, whatever a message holds
        let said = |answer: &Result<String, String>| {
            answer.clone().unwrap_or_else(|e| format!("error: {e}"))
        };
        let line = format!("{sql} → {} ≠ {}", said(&ours), said(&theirs));
        match known.iter_mut().find(|known| known.pattern.is_match(&line)) {
            Some(known) => {
                known.met += 1;
                refused += usize::from(ours.is_err());
            }
            None => unexplained.push(line),
        }
    }
    println!(
        "seed {seed}: {count} expressions, {equal} equal ({wrong} of them errors), {} differ",
        count as usize - equal
    );
    for known in &known {
        println!("{:6} {} ({})", known.met, known.reason, known.pattern);
    }
    println!("{refused} of them are refused here");
    assert!(
        unexplained.is_empty(),
        "{} unexplained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}
