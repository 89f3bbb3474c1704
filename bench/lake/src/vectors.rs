//! Deletion vectors over the files, in the documented format of version 1.

use std::path::Path;

use paimon_scan::{DeletionVectorRef, LakeFile};
use roaring::RoaringBitmap;

use crate::Result;
use crate::data::Data;

const MAGIC: u32 = 1_581_511_376;
const VERSION: u8 = 1;

/// Which rows are deleted.
#[derive(Debug, Clone, Copy)]
pub enum Hidden {
    /// So many of 1,000 rows, scattered.
    Scattered(u32),
    /// A fifth of the rows, in runs of 5,000.
    Runs,
}

impl Hidden {
    /// All that are measured.
    pub const ALL: [Self; 5] = [
        Self::Scattered(1),
        Self::Scattered(10),
        Self::Scattered(50),
        Self::Scattered(200),
        Self::Runs,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scattered(1) => "dv-0.1%",
            Self::Scattered(10) => "dv-1%",
            Self::Scattered(50) => "dv-5%",
            Self::Scattered(_) => "dv-20%",
            Self::Runs => "dv-runs",
        }
    }

    fn rows(self, of: u64) -> RoaringBitmap {
        // Knuth's multiplicative hash: every share is spread evenly
        let scattered = |row: &u32| (u64::from(row.wrapping_mul(2_654_435_761)) * 1000) >> 32;
        match self {
            Self::Scattered(share) => {
                (0..of as u32).filter(|row| scattered(row) < u64::from(share)).collect()
            }
            Self::Runs => (0..of as u32).filter(|row| row / 5000 % 5 == 2).collect(),
        }
    }
}

/// Writes one index file and names it in the files.
pub fn write(data: &Data, hidden: Hidden, directory: &Path) -> Result<Vec<LakeFile>> {
    let index = directory.join(format!("index-{}", hidden.name()));
    let mut bytes = vec![VERSION];
    let mut files = data.files();
    for file in &mut files {
        let rows = hidden.rows(file.rows);
        let mut body = MAGIC.to_be_bytes().to_vec();
        rows.serialize_into(&mut body)?;
        file.deletion_vector = Some(DeletionVectorRef {
            path: format!("file:{}", index.display()),
            offset: bytes.len() as u64,
            length: body.len() as u64,
            cardinality: Some(rows.len()),
        });
        bytes.extend(u32::try_from(body.len())?.to_be_bytes());
        bytes.extend(&body);
        bytes.extend(crc32fast::hash(&body).to_be_bytes());
    }
    std::fs::write(index, bytes)?;
    Ok(files)
}
