//! Which files of a bucket can hold versions of one key, and in which order their versions supersede
//! each other.
//!
//! Sections are Paimon's "interval partition": a sweep over the files by smallest key. A file alone in
//! its section holds every key once (Paimon merges before it writes), so its rows are right as they are
//! but for its own deletes.

use std::collections::HashSet;

use crate::file::{LakeFile, Section};
use crate::schema::TableKind;

/// Sets or clears `section` on all files of a bucket, as the kind of its table asks. Files of `unmarked`
/// schemas are older than the table's deletion vectors: nothing marked what they supersede among themselves.
pub(crate) fn settle(files: &mut [LakeFile], kind: TableKind, unmarked: &HashSet<i64>) {
    for file in files.iter_mut() {
        file.section = None;
    }
    match kind {
        TableKind::Append => {}
        TableKind::Deduplicate => mark(files),
        TableKind::DeletionVectors
            if files.iter().any(|file| unmarked.contains(&file.schema_id)) =>
        {
            mark(files);
        }
        TableKind::DeletionVectors => mark_deletes(files),
    }
}

/// Sets `section` on every file of a deduplicate bucket that must be resolved by key.
pub(crate) fn mark(files: &mut [LakeFile]) {
    for (index, section) in sections(files).into_iter().enumerate() {
        let clean = section.len() == 1 && files[section[0]].delete_rows == Some(0);
        if clean {
            continue;
        }
        for file in &section {
            files[*file].section =
                Some(Section { index: index as u32, files: section.len() as u32 });
        }
    }
}

/// Sets `section` on the files of a bucket with deletion vectors that hold deletes of their own:
/// superseded rows are marked already, each file is a section of its own.
fn mark_deletes(files: &mut [LakeFile]) {
    for (index, file) in files.iter_mut().enumerate() {
        if file.delete_rows != Some(0) {
            file.section = Some(Section { index: index as u32, files: 1 });
        }
    }
}

/// Positions of the files, grouped by overlapping key ranges; one group if a range is not known.
fn sections(files: &[LakeFile]) -> Vec<Vec<usize>> {
    let ranges: Option<Vec<_>> = files
        .iter()
        .map(|file| file.key_range.as_ref().map(|range| (&range.min, &range.max)))
        .collect();
    let Some(ranges) = ranges else {
        return vec![(0..files.len()).collect()];
    };
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|file| ranges[*file].0);
    let mut sections: Vec<Vec<usize>> = Vec::new();
    let mut end: Option<&Vec<u8>> = None;
    for file in order {
        let (min, max) = ranges[file];
        match sections.last_mut() {
            Some(section) if end.is_some_and(|end| min <= end) => section.push(file),
            _ => sections.push(vec![file]),
        }
        end = end.max(Some(max));
    }
    sections
}

/// Files of one section as runs, newest first: every row of a run is newer than every row of the runs
/// after it, and no run holds a key twice. `None` when sequence numbers of the runs interleave.
pub(crate) fn runs(files: &[&LakeFile]) -> Option<Vec<Vec<usize>>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for (position, file) in files.iter().enumerate() {
        let same = runs.iter_mut().find(|run| {
            run.iter().all(|other| files[*other].level == file.level && apart(files[*other], file))
        });
        match same {
            Some(run) if file.level > 0 => run.push(position),
            _ => runs.push(vec![position]),
        }
    }
    let newest = |run: &Vec<usize>| run.iter().map(|f| files[*f].max_sequence).max();
    let oldest = |run: &Vec<usize>| run.iter().map(|f| files[*f].min_sequence).min();
    runs.sort_by_key(|run| std::cmp::Reverse(newest(run)));
    let ordered = runs.windows(2).all(|pair| oldest(&pair[0]) > newest(&pair[1]));
    ordered.then_some(runs)
}

/// Whether no key can be in both files.
fn apart(a: &LakeFile, b: &LakeFile) -> bool {
    match (&a.key_range, &b.key_range) {
        (Some(a), Some(b)) => a.max < b.min || b.max < a.min,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::KeyRange;

    fn file(keys: (u8, u8), level: i32, sequence: (i64, i64)) -> LakeFile {
        LakeFile {
            key_range: Some(KeyRange { min: vec![keys.0], max: vec![keys.1] }),
            level,
            min_sequence: sequence.0,
            max_sequence: sequence.1,
            delete_rows: Some(0),
            ..LakeFile::default()
        }
    }

    #[test]
    fn overlap_is_transitive_and_touching_counts() {
        let mut files = vec![
            file((50, 60), 0, (0, 9)),
            file((1, 10), 5, (0, 9)),
            file((10, 20), 5, (0, 9)),
            file((15, 30), 0, (10, 19)),
            file((31, 40), 5, (0, 9)),
        ];
        files[4].delete_rows = Some(1);
        mark(&mut files);
        let marks: Vec<_> =
            files.iter().map(|f| f.section.as_ref().map(|s| (s.index, s.files))).collect();
        assert_eq!(marks, [None, Some((0, 3)), Some((0, 3)), Some((0, 3)), Some((1, 1))]);
        files[2].key_range = None;
        assert_eq!(sections(&files).len(), 1);
    }

    #[test]
    fn a_long_file_keeps_a_section_open() {
        let files =
            [file((1, 100), 5, (0, 9)), file((2, 3), 0, (10, 11)), file((50, 51), 0, (12, 13))];
        assert_eq!(sections(&files), [vec![0, 1, 2]]);
    }

    #[test]
    fn files_of_a_level_are_one_run_and_interleaved_runs_have_no_order() {
        let (a, b) = (file((1, 10), 5, (0, 90)), file((11, 20), 5, (5, 95)));
        let (newer, newest) = (file((1, 20), 0, (96, 99)), file((1, 20), 0, (100, 120)));
        assert_eq!(runs(&[&a, &newest, &b, &newer]), Some(vec![vec![1], vec![3], vec![0, 2]]));
        let twin = file((1, 20), 0, (98, 105));
        assert_eq!(runs(&[&a, &newest, &twin]), None);
    }
}
