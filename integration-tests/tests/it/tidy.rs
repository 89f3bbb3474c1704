//! The repository checks itself: the invariants of ARCHITECTURE.md that a program can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use integration_tests::package_directory;

const CRATES: [&str; 12] = [
    "millrace",
    "frontend",
    "backend",
    "union-read",
    "paimon-scan",
    "fluss-scan",
    "fluss-sim",
    "mysql-protocol",
    "sql-functions",
    "proto",
    "bootstrap",
    "integration-tests",
];

fn root() -> PathBuf {
    package_directory().join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Rust files below a folder of the repository, as paths from its root.
fn sources(folder: &str) -> Vec<String> {
    let mut found = vec![];
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn all_sources() -> Vec<String> {
    CRATES
        .iter()
        .flat_map(|c| ["src", "tests"].map(|f| sources(&format!("{c}/{f}"))))
        .flatten()
        .collect()
}

/// Crates of the workspace that a crate depends on, outside of its tests.
fn dependencies(name: &str) -> String {
    let manifest = read(format!("{name}/Cargo.toml"));
    manifest.split("[dev-dependencies]").next().unwrap_or_default().to_string()
}

fn depends(on: &str, name: &str) -> bool {
    dependencies(name).lines().any(|line| line.starts_with(&format!("{on}.workspace")))
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    for (name, unknown) in [
        ("frontend", "backend"),
        ("backend", "frontend"),
        ("paimon-scan", "fluss-scan"),
        ("fluss-scan", "paimon-scan"),
        ("fluss-scan", "datafusion"),
        ("union-read", "bootstrap"),
        ("union-read", "tonic"),
        ("mysql-protocol", "datafusion"),
        ("bootstrap", "proto"),
        ("proto", "union-read"),
    ] {
        assert!(!depends(unknown, name), "{name} depends on {unknown}");
    }
    for name in CRATES {
        assert_eq!(depends("paimon", name), name == "paimon-scan", "paimon in {name}");
        assert_eq!(depends("datafusion-distributed", name), name == "backend", "{name}");
        assert_eq!(depends("fluss-rs", name), name == "integration-tests", "fluss-rs in {name}");
    }
}

#[test]
fn foreign_names_stay_in_their_rooms() {
    let rules: [(&str, &[&str]); 4] = [
        ("datafusion_distributed::", &["backend/src/distributed/"]),
        ("paimon::", &["paimon-scan/", "union-read/tests/histories/"]),
        ("mysql_protocol::", &["frontend/src/mysql/", "mysql-protocol/", "sql-functions/tests/"]),
        ("sqlparser", &["frontend/src/", "sql-functions/"]),
    ];
    for path in all_sources() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = read(&path);
        for (name, rooms) in rules {
            let uses = text.lines().any(|line| {
                let code = line.trim_start();
                !code.starts_with("//") && mentions(code, name)
            });
            let at_home = rooms.iter().any(|room| path.starts_with(room));
            assert!(!uses || at_home, "{path} names {name}");
        }
    }
}

/// Whether a line of code names something, and not something longer.
fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Modules of a crate that name one another by `crate::…`, by their first names.
fn module_graph(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<String> =
        sources(&format!("{name}/src")).iter().filter_map(|path| module(name, path)).collect();
    let mut graph = BTreeMap::new();
    for path in sources(&format!("{name}/src")) {
        let Some(from) = module(name, &path) else { continue };
        let text = read(&path);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.map(|line| format!("{line}\n")).collect();
        let named = code.split("crate::").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            modules.get(&rest[..end]).cloned()
        });
        let to: &mut BTreeSet<String> = graph.entry(from.clone()).or_default();
        to.extend(named.filter(|to| *to != from));
    }
    graph
}

/// The first module of a file below `src`; `None` for the root of the crate.
fn module(name: &str, path: &str) -> Option<String> {
    let inside = path.strip_prefix(&format!("{name}/src/"))?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "main", "bin", "tests"].contains(&first)).then(|| first.to_string())
}

#[test]
fn modules_have_no_cycles() {
    for name in CRATES {
        let mut graph = module_graph(name);
        // take out what needs nobody, until nothing is left
        loop {
            let free: Vec<String> = graph
                .iter()
                .filter(|(_, to)| to.is_empty())
                .map(|(from, _)| from.clone())
                .collect();
            if free.is_empty() {
                break;
            }
            for module in &free {
                graph.remove(module);
            }
            for to in graph.values_mut() {
                to.retain(|module| !free.contains(module));
            }
        }
        assert!(graph.is_empty(), "modules of {name} in a cycle: {graph:?}");
    }
}

/// Lines of production code in one file.
const LINES_MAX: usize = 500;

#[test]
fn files_begin_with_their_purpose_and_stay_short() {
    for path in all_sources() {
        let text = read(&path);
        assert!(
            text.starts_with("//!") || path.ends_with("_tests.rs"),
            "{path} does not begin with //!"
        );
        let production = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(
            production <= LINES_MAX || path.contains("/tests"),
            "{path} has {production} lines"
        );
        for word in ["TODO", "FIXME", "todo!(", "unimplemented!("] {
            assert!(!text.contains(word) || path.ends_with("tidy.rs"), "{path} has a {word}");
        }
    }
}

const NAMES_NOT_USED: [&str; 6] = ["manager", "handler", "helper", "processor", "utils", "common"];

#[test]
fn names_tell_what_is_there() {
    for path in all_sources() {
        for word in NAMES_NOT_USED {
            assert!(!path.to_lowercase().contains(word), "{path} is called {word}");
        }
    }
}

#[test]
fn documents_name_what_exists() {
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "docs/learn/union-read.md"]
    {
        let text = read(document);
        let quoted = text.split('`').skip(1).step_by(2);
        let paths = quoted.filter(|q| q.contains('/') && q.ends_with(".rs"));
        for path in paths {
            assert!(root().join(path).is_file(), "{document} names {path}");
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.starts_with("http") {
                continue;
            }
            let folder = Path::new(document).parent().unwrap();
            assert!(root().join(folder).join(path).exists(), "{document} links to {path}");
        }
    }
}

#[test]
fn decisions_have_their_parts() {
    let folder = root().join("docs/adr");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("README.md") {
            continue;
        }
        for part in ["Status:", "## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{} has no {part}", path.display());
        }
    }
}

/// Every test that the table of regressions names is there; every regression has a row.
#[test]
fn regressions_have_their_tests() {
    let text = read("docs/contribute/regressions.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut numbers = vec![];
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, tests, _] = cells[..] else { panic!("four cells: {row}") };
        numbers.push(number.parse::<u32>().unwrap_or_else(|e| panic!("{row}: {e}")));
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for test in named {
            let (path, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            let declared = [format!("fn {name}("), format!("    {name}(world) =>")];
            let text = read(path);
            assert!(declared.iter().any(|d| text.contains(d)), "{path} has no test {name}");
        }
    }
    assert_eq!(numbers, (1..=26).collect::<Vec<_>>());
}

/// What shows that a guard is needed begins with taking it off: a patch that no longer applies shows nothing.
#[test]
fn guards_can_be_taken_off() {
    let mut patches = 0;
    for entry in std::fs::read_dir(root().join("docs/upstream/guards")).unwrap() {
        let path = entry.unwrap().path();
        let checked = std::process::Command::new("git")
            .args(["apply", "--check"])
            .arg(&path)
            .current_dir(root())
            .output()
            .expect("git");
        let told = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {told}", path.display());
        patches += 1;
    }
    assert!(patches >= 10, "only {patches} patches");
}
