//! The settings of the cache.

use std::path::PathBuf;

use super::faults::Reader;
use super::settings::Settings;
use crate::cache::{CacheConfig, DiskConfig};
use crate::units::parse_size;

const BLOCK_SIZES: std::ops::RangeInclusive<u64> = 64 * 1024..=16 * 1024 * 1024;

/// A cache smaller than this many blocks could not hold what one viewer needs.
const LEAST_BLOCKS: u64 = 16;

/// A disk tier smaller than this is not worth its writing.
const LEAST_DISK: u64 = 256 * 1024 * 1024;

pub(super) const DEFAULT_DISK: u64 = 10 * 1024 * 1024 * 1024;

/// What is set, and the defaults for the rest.
pub fn cache(read: &mut Reader, settings: &Settings) -> CacheConfig {
    let default = CacheConfig::default();
    let size = |text: &str| parse_size(text).map_err(|error| error.to_string());
    let block_size = read
        .optional("S3REEL_BLOCK_SIZE", settings.block_size.as_ref(), |text| {
            let bytes = size(text)?;
            if bytes.is_power_of_two() && BLOCK_SIZES.contains(&bytes) {
                Ok(bytes)
            } else {
                Err("a power of two from 64KiB to 16MiB".to_owned())
            }
        })
        .unwrap_or(default.block_size);
    let memory = read
        .optional(
            "S3REEL_CACHE_MEMORY",
            settings.cache_memory.as_ref(),
            |text| {
                let bytes = size(text)?;
                if bytes == 0 || bytes >= block_size.saturating_mul(LEAST_BLOCKS) {
                    Ok(bytes)
                } else {
                    Err(format!(
                        "0 for no cache, or at least {LEAST_BLOCKS} times S3REEL_BLOCK_SIZE"
                    ))
                }
            },
        )
        .unwrap_or(default.memory);
    let disk = disk(read, settings, memory);
    CacheConfig {
        memory,
        disk,
        block_size,
        metadata_ttl: read
            .duration("S3REEL_METADATA_TTL", settings.metadata_ttl.as_ref())
            .unwrap_or(default.metadata_ttl),
        stale_if_error: read
            .duration("S3REEL_STALE_IF_ERROR", settings.stale_if_error.as_ref())
            .unwrap_or(default.stale_if_error),
        read_ahead: read
            .optional("S3REEL_READ_AHEAD", settings.read_ahead.as_ref(), size)
            .unwrap_or(default.read_ahead),
    }
}

/// The disk tier, if a folder is set. It lies under the blocks in memory, so without those there is none.
fn disk(read: &mut Reader, settings: &Settings, memory: u64) -> Option<DiskConfig> {
    let capacity =
        read.optional(
            "S3REEL_CACHE_DISK",
            settings.cache_disk.as_ref(),
            |text| match parse_size(text).map_err(|error| error.to_string())? {
                bytes if bytes >= LEAST_DISK => Ok(bytes),
                _ => Err("at least 256MiB".to_owned()),
            },
        );
    let folder = read.optional("S3REEL_CACHE_DIR", settings.cache_dir.as_ref(), |text| {
        if memory == 0 {
            return Err("nothing while S3REEL_CACHE_MEMORY=0 turns the cache off".to_owned());
        }
        if text.is_empty() {
            return Err("a folder".to_owned());
        }
        Ok(PathBuf::from(text))
    })?;
    Some(DiskConfig {
        folder,
        capacity: capacity.unwrap_or(DEFAULT_DISK),
    })
}
