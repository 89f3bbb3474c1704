//! Holes in remote logs: what Fluss itself has lost, read from its own lists of segments.
//!
//! A server of 0.9.1 can forget a segment that it has copied, see `docs/upstream/fluss-remote-log-hole.md`.

use std::path::{Path, PathBuf};

/// A gap between two segments in the newest list of a bucket's remote log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The list.
    pub manifest: PathBuf,
    /// The bucket.
    pub bucket: String,
    /// The first offset that is missing.
    pub from: i64,
    /// The first offset after it that is there.
    pub to: i64,
}

/// All holes of a table's remote logs. `remote` is the directory `log` of the remote storage.
pub fn of_table(remote: &Path, table_id: i64) -> Vec<Hole> {
    let suffix = format!("-{table_id}");
    let tables = entries(remote).iter().flat_map(|database| entries(database)).collect::<Vec<_>>();
    let is_table = |path: &PathBuf| path.to_string_lossy().ends_with(&suffix);
    let mut holes = vec![];
    for table in tables.into_iter().filter(is_table) {
        let inside = entries(&table);
        let partitions = inside.iter().flat_map(|partition| entries(partition));
        for bucket in inside.iter().cloned().chain(partitions) {
            holes.extend(of_bucket(&bucket));
        }
    }
    holes
}

/// Whether the text of an error tells of a hole that is there: `bucket B of … table T jumps from A to B`.
pub fn explains(remote: &Path, text: &str) -> bool {
    let Some((subject, jump)) = text.split_once("jumps ") else { return false };
    let number = |text: &str, after: &str| {
        let rest = text.split(after).nth(1)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<i64>().ok()
    };
    let (Some(bucket), Some(table), Some(from), Some(to)) = (
        number(subject, "bucket "),
        number(subject, "table "),
        number(jump, "from "),
        number(jump, " to "),
    ) else {
        return false;
    };
    let is_it =
        |hole: &Hole| hole.bucket == bucket.to_string() && (hole.from, hole.to) == (from, to);
    of_table(remote, table).iter().any(is_it)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(directory).into_iter().flatten().flatten();
    read.map(|entry| entry.path()).collect()
}

/// The holes in the newest list of a bucket.
fn of_bucket(bucket: &Path) -> Vec<Hole> {
    let lists = entries(&bucket.join("metadata")).into_iter();
    let written = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    let Some(manifest) = lists.max_by_key(written) else { return vec![] };
    let Some(mut segments) = segments(&manifest) else { return vec![] };
    segments.sort_unstable();
    let bucket = bucket.file_name().map_or(String::new(), |name| name.to_string_lossy().into());
    let gap = |pair: &[(i64, i64)]| {
        let ((_, from), (to, _)) = (pair[0], pair[1]);
        let (manifest, bucket) = (manifest.clone(), bucket.clone());
        (from < to).then_some(Hole { manifest, bucket, from, to })
    };
    segments.windows(2).filter_map(gap).collect()
}

/// Start and end offsets of the segments in a list.
fn segments(manifest: &Path) -> Option<Vec<(i64, i64)>> {
    let text = std::fs::read_to_string(manifest).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let segment = |value: &serde_json::Value| {
        Some((value.get("start_offset")?.as_i64()?, value.get("end_offset")?.as_i64()?))
    };
    json.get("remote_log_segments")?.as_array()?.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_found_and_explains_its_error_alone() {
        let remote = tempfile::tempdir().unwrap();
        let metadata = remote.path().join("chaos/events-4/1/metadata");
        std::fs::create_dir_all(&metadata).unwrap();
        let list = |segments: &[(i64, i64)]| {
            let segments: Vec<_> = segments
                .iter()
                .map(|(start, end)| serde_json::json!({"start_offset": start, "end_offset": end}))
                .collect();
            let text = serde_json::json!({ "remote_log_segments": segments }).to_string();
            std::fs::write(metadata.join("a.manifest"), text).unwrap();
        };
        list(&[(456, 911), (0, 456)]);
        assert_eq!(of_table(remote.path(), 4), []);
        list(&[(911, 1344), (0, 456)]);
        let holes = of_table(remote.path(), 4);
        assert_eq!((holes.len(), holes[0].from, holes[0].to), (1, 456, 911));
        let told = |text| explains(remote.path(), text);
        assert!(told("the log of bucket 1 of table 4 jumps from 456 to 911"));
        for other in [
            "the log of bucket 2 of table 4 jumps from 456 to 911",
            "the log of bucket 1 of table 5 jumps from 456 to 911",
            "the log of bucket 1 of table 4 jumps from 456 to 912",
            "the log of bucket 1 of table 4 has lost its mind",
        ] {
            assert!(!told(other), "{other}");
        }
    }
}
