//! Blocks that leave from their files: the kernel sends those without a copy. Shorter parts leave from
//! memory, where the copy is cheaper than the calls to the kernel.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::disk::{BlockName, DiskTier};
use super::engine::{Engine, SharedError};
use super::identity::ObjectIdentity;
use crate::storage::Piece;
use crate::storage::piece::{SHORT_ANSWER_BYTES, Twin};

/// Bytes that leave from memory rather than from a file, if they are there.
const FROM_MEMORY_BYTES: u64 = 32 * 1024;

/// Whether so many bytes leave from memory rather than from a file, if they are there.
pub(super) const fn is_from_memory(bytes: u64) -> bool {
    bytes <= FROM_MEMORY_BYTES
}

/// A block in memory that is sent from its file.
#[derive(Debug)]
struct InMemory {
    block: Arc<Block<SharedError>>,
    disk: Arc<DiskTier>,
    name: BlockName,
}

impl Twin for InMemory {
    fn copy(&self, range: Range<u64>) -> Option<Bytes> {
        let begin = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        self.block.copy(begin..end)
    }

    fn file_failed(&self) {
        self.disk.distrust(&self.name);
    }
}

impl Engine {
    /// Bytes of a block, if they are at hand in its file and not better had from memory; and whether they
    /// are there too.
    pub(super) fn in_file(
        &self,
        disk: &Arc<DiskTier>,
        identity: &ObjectIdentity,
        index: u64,
        range: Range<u64>,
    ) -> Option<(Piece, bool)> {
        let length = range.end.saturating_sub(range.start);
        let block = self.blocks.peek(identity, index);
        if block.is_some() && is_from_memory(length) {
            return None;
        }
        let name = self.on_disk(identity, index);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        let piece = disk.at_hand(&name, range)?;
        let Some(block) = block else {
            return Some((piece, false));
        };
        block.was_sent();
        let piece = match piece {
            // What is left to the connection cannot be asked for again.
            Piece::File(part) if length <= SHORT_ANSWER_BYTES && block.filled() >= end => {
                // It is of use where it is.
                drop(block.used());
                let disk = Arc::clone(disk);
                Piece::File(part.with_twin(Arc::new(InMemory { block, disk, name })))
            }
            piece => piece,
        };
        Some((piece, true))
    }

    /// Hands a complete block on to the disk, if there is one.
    pub(super) fn offer(&self, identity: &ObjectIdentity, index: u64, block: &Block<SharedError>) {
        if let Some(disk) = &self.disk {
            let is_taken = disk.keep(self.on_disk(identity, index), block.pieces());
            block.refused(!is_taken);
        }
    }

    /// Hands a block on that the disk had no time for when it came.
    pub(super) fn offer_again(
        &self,
        identity: &ObjectIdentity,
        index: u64,
        block: &Block<SharedError>,
    ) {
        if self.disk.is_some() && block.refused(false) {
            self.offer(identity, index, block);
        }
    }
}
