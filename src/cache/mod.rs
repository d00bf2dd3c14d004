//! Blocks of objects in memory and on disk, so that each byte leaves S3 once.
//!
//! [`Cached`] is a reader that holds a reader. [`directory`] knows what objects are, for a time;
//! [`store`] has their blocks, complete ones and those on their way; [`engine`] asks S3 for both, once
//! for all who want them, on a runtime of its own; [`body`] hands out the bytes of one answer and has
//! the next blocks fetched as its [`window`] says. Where there is no room it reads `past` the cache, and
//! `losses` says how it goes on when bytes do not come. [`eviction`] decides what goes.
//!
//! [`disk`] keeps blocks that have come in files, which outlive the process, where there is a folder
//! for it; from there they are sent without coming to memory again.
//!
//! Memory is bounded by [`CacheConfig::memory`], whatever viewers do: a viewer holds no block while it
//! takes its time, and where there is no room bytes pass by as without a cache.

pub mod block;
pub mod block_key;
pub mod body;
pub mod directory;
pub mod disk;
pub mod engine;
pub mod eviction;
mod fill;
pub mod identity;
mod in_file;
pub mod knowledge;
mod losses;
mod past;
pub mod reader;
pub mod run;
pub mod store;
mod sync;
pub mod window;

use std::time::Duration;

pub use disk::DiskConfig;
pub use engine::Engine;
pub use identity::ObjectIdentity;
pub use reader::Cached;

/// How much is kept, and for how long it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// `S3REEL_CACHE_MEMORY`: bytes of blocks in memory; default 256 MiB, 0 for no cache. More keeps
    /// more films at hand.
    pub memory: u64,
    /// `S3REEL_BLOCK_SIZE`: bytes of a block, a power of two from 64 KiB to 16 MiB; default 1 MiB. A
    /// larger one makes a probe of an unknown film dearer, a smaller one costs more calls and room.
    pub block_size: u64,
    /// `S3REEL_METADATA_TTL`: how long what is known of an object is believed before S3 is asked
    /// again; default 10 s, 0 to ask for every request. Longer spares calls, and an overwritten
    /// object is seen that much later.
    pub metadata_ttl: Duration,
    /// `S3REEL_STALE_IF_ERROR`: how much longer it is believed while S3 cannot be asked; default 0.
    pub stale_if_error: Duration,
    /// `S3REEL_READ_AHEAD`: bytes that are fetched ahead of what a viewer has taken, at most; default
    /// 8 MiB. More helps fast viewers of a slow S3, and is wasted when they leave.
    pub read_ahead: u64,
    /// Where blocks are kept on disk as well; `None` for nowhere.
    pub disk: Option<DiskConfig>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory: 256 * 1024 * 1024,
            block_size: 1024 * 1024,
            metadata_ttl: Duration::from_secs(10),
            stale_if_error: Duration::ZERO,
            read_ahead: 8 * 1024 * 1024,
            disk: None,
        }
    }
}
