//! The directory of a cache: one process at a time, its space taken at once.
//!
//! Space is taken when the cache is opened. Otherwise a disk that others fill would make writes fail later, and the
//! cache could take the space that queries need to spill.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::BlockCacheOptions;

/// Files of a cache: each is an open file of the process, and as a whole makes room for new blocks.
const REGIONS: u64 = 256;
/// Blocks of a file, at least.
const REGION_BLOCKS_MIN: u64 = 16;
/// Offsets in a file have 32 bits.
const REGION_BYTES_MAX: u64 = 2 << 30;
const PAGE: u64 = 4096;

/// How the disk is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) regions: u64,
    pub(super) region_bytes: u64,
}

impl Layout {
    /// Within what `options` allow, which were checked.
    pub(super) fn of(options: &BlockCacheOptions) -> Self {
        let least = REGION_BLOCKS_MIN * options.block_bytes;
        let region = (options.disk_bytes_max / REGIONS).max(least).min(REGION_BYTES_MAX);
        // down to whole pages: as many files as fit are made
        let region_bytes = (region / PAGE).max(1) * PAGE;
        Self { regions: options.disk_bytes_max / region_bytes, region_bytes }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.regions * self.region_bytes
    }

    fn name(&self) -> String {
        format!("{PREFIX}{}x{}", self.regions, self.region_bytes)
    }
}

/// How the folders of layouts begin: files of another layout would be read at wrong places, and never end.
const PREFIX: &str = "blocks-";

/// A directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Takes `root` for a cache of that layout; what one of another layout left is removed.
    pub(super) fn take(root: &Path, layout: &Layout) -> Result<Self> {
        let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(root)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(root.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Error::new(ErrorKind::WouldBlock, "another process uses it")
            }
            TryLockError::Error(error) => error,
        })?;
        let path = root.join(layout.name());
        for entry in std::fs::read_dir(root)? {
            let other = entry?.path();
            let name = other.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(PREFIX) && other != path {
                std::fs::remove_dir_all(&other)?;
            }
        }
        make(&path)?;
        let this = Self { path, _lock: lock };
        this.check_space(layout)?;
        Ok(this)
    }

    /// Where its files are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Before a file is made longer: taking what is not there would fill the disk first, and fail then.
    fn check_space(&self, layout: &Layout) -> Result<()> {
        use std::os::unix::fs::MetadataExt;
        let disk = statvfs(&self.path)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let mut taken = 0;
        for entry in std::fs::read_dir(&self.path)? {
            taken += entry?.metadata()?.blocks() * 512;
        }
        let wanted = layout.bytes().saturating_sub(taken);
        match wanted <= free {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::StorageFull,
                format!("{wanted} bytes are needed and {free} are free"),
            )),
        }
    }

    /// Takes the space of its files, which are there.
    pub(super) fn reserve(&self, layout: &Layout) -> Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let file = File::options().write(true).open(entry?.path())?;
            match fallocate(&file, FallocateFlags::empty(), 0, layout.region_bytes) {
                // a file system that takes space only when it is written
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_stay_within_what_is_allowed() {
        for (disk, block) in [
            (64 * (64 << 10), 64 << 10),
            (1 << 30, 1 << 20),
            (50 << 30, 1 << 20),
            (10 << 40, 4 << 20),
            ((1 << 30) + 12345, 100_000),
        ] {
            let options = BlockCacheOptions {
                directory: PathBuf::new(),
                disk_bytes_max: disk,
                memory_bytes_max: 64 << 20,
                block_bytes: block,
            };
            options.check().unwrap();
            let layout = Layout::of(&options);
            assert!(layout.bytes() <= disk && layout.bytes() > disk / 10 * 7, "{layout:?}");
            assert_eq!(layout.region_bytes % PAGE, 0);
            assert!(layout.regions >= 4 && layout.region_bytes >= 15 * block, "{layout:?}");
        }
    }
}
