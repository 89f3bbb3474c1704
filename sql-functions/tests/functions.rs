//! `functions.txt`: the functions of MySQL and StarRocks, and what becomes of each here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod engine;

use std::collections::BTreeMap;
use std::path::Path;

/// What becomes of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It is answered; a record of the `.slt` files calls it.
    Works,
    /// It is answered by the frontend from the session.
    Session,
    /// It is refused by its name.
    Refused,
    /// It is unknown.
    Missing,
}

fn functions() -> Vec<(String, String, State)> {
    let lines = include_str!("functions.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let each = |line: &str| {
        let [whose, name, state] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let state = match state {
            "works" => State::Works,
            "session" => State::Session,
            "refused" => State::Refused,
            "missing" => State::Missing,
            other => panic!("{other}"),
        };
        (whose.to_string(), name.to_string(), state)
    };
    lines.map(each).collect()
}

/// The queries of the `.slt` files that are answered.
fn answered() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for record in text.split("\n\n").filter(|record| !record.contains("statement error")) {
            all.push_str(&record.to_lowercase());
            all.push('\n');
        }
    }
    all
}

#[tokio::test]
async fn each_function_is_in_the_state_that_is_told() {
    let answered = answered();
    let calls =
        |name: &str| regex::Regex::new(&format!(r"\b{name}\b")).unwrap().is_match(&answered);
    let mut wrong = vec![];
    for (_, name, state) in functions() {
        let is_so = match state {
            State::Works => calls(&name),
            State::Session => true,
            State::Refused => {
                let told = engine::answer(&format!("SELECT {name}()")).await;
                told.is_err_and(|told| {
                    told.starts_with(&format!("FUNCTION {name} is not supported: "))
                })
            }
            State::Missing => engine::answer(&format!("SELECT {name}()")).await.is_err(),
        };
        if !is_so {
            wrong.push(format!("{name}: not {state:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn most_functions_are_there() {
    let mut counts: BTreeMap<String, BTreeMap<State, usize>> = BTreeMap::new();
    for (whose, _, state) in functions() {
        *counts.entry(whose).or_default().entry(state).or_default() += 1;
    }
    for (whose, least_known, least_working) in [("mysql", 95, 75), ("starrocks", 80, 55)] {
        let of = |state| counts[whose].get(&state).copied().unwrap_or(0);
        let all: usize = counts[whose].values().sum();
        let working = of(State::Works) + of(State::Session);
        let known = working + of(State::Refused);
        assert!(known * 100 >= all * least_known, "{whose}: {known} of {all}");
        assert!(working * 100 >= all * least_working, "{whose}: {working} of {all} work");
    }
}
