//! Blocks on disk, as tests look at them.

use std::fs;
use std::path::{Path, PathBuf};

use s3reel::cache::{CacheConfig, DiskConfig};

use super::service::Setup;
use super::{Client, TestService, until};

/// A folder on a file system of the disk: where temporary files are may be memory.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A cache over a folder.
pub fn on_disk(folder: &Path) -> impl FnOnce(&mut Setup) {
    let disk = DiskConfig {
        folder: folder.to_owned(),
        capacity: 1 << 30,
    };
    |config| {
        config.cache = CacheConfig {
            disk: Some(disk),
            ..CacheConfig::default()
        };
    }
}

/// The same, with memory for the blocks that are on their way and hardly any more.
pub fn hardly_in_memory(folder: &Path) -> impl FnOnce(&mut Setup) {
    |config| {
        on_disk(folder)(config);
        config.cache.memory = 512 * 1024;
        config.cache.block_size = 128 * 1024;
    }
}

/// Blocks that were written to disk, or were to be.
pub async fn written(service: &TestService, outcome: &str) -> f64 {
    let name = format!("s3reel_cache_disk_writes_total{{outcome=\"{outcome}\"}}");
    service.figure(&name).await
}

/// Blocks that were wanted from disk.
pub async fn read(service: &TestService, outcome: &str) -> f64 {
    let name = format!("s3reel_cache_disk_reads_total{{outcome=\"{outcome}\"}}");
    service.figure(&name).await
}

/// Reads an object until so many blocks are on disk. A busy disk does not keep all at once.
pub async fn until_on_disk(service: &TestService, target: &str, blocks: f64) {
    until("all blocks are on disk", async || {
        Client::connect(service.address())
            .await
            .ask("GET", target, &[])
            .await;
        service.figure("s3reel_cache_disk_blocks").await >= blocks
    })
    .await;
}

/// Whether no process has the folder.
pub fn is_free(folder: &Path) -> bool {
    let lock = folder.join("s3reel-blocks-1/lock");
    let lock = fs::File::options().write(true).open(lock).unwrap();
    lock.try_lock().is_ok()
}

/// All files with blocks.
pub fn blocks(folder: &Path) -> Vec<PathBuf> {
    let shelves = fs::read_dir(folder.join("s3reel-blocks-1")).unwrap();
    let shelves = shelves.flatten().filter(|shelf| shelf.path().is_dir());
    let files = shelves.flat_map(|shelf| fs::read_dir(shelf.path()).unwrap().flatten());
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    files
}
