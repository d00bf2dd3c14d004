//! Blocks that leave from their files: the kernel sends those without a copy. Shorter parts leave from
//! memory, where the copy is cheaper than the calls to the kernel.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::disk::{BlockName, DiskTier};
use super::engine::{Engine, SharedError};
use super::identity::ObjectIdentity;
use super::reader::Sources;
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
    sources: Arc<Sources>,
    name: BlockName,
}

impl Twin for InMemory {
    fn copy(&self, range: Range<u64>) -> Option<Bytes> {
        let begin = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        self.block.copy(begin..end)
    }

    fn file_failed(&self) {
        if let Some(disk) = &self.sources.engine.disk {
            disk.distrust(&self.name);
        }
    }
}

impl Sources {
    /// Bytes of a block, if they are at hand in its file and not better had from memory; and whether they
    /// are there too. That may be a use of the file.
    pub(super) fn in_file(
        self: &Arc<Self>,
        disk: &DiskTier,
        identity: &ObjectIdentity,
        index: u64,
        range: Range<u64>,
        is_use: bool,
    ) -> Option<(Piece, bool)> {
        let length = range.end.saturating_sub(range.start);
        let block = self.engine.blocks.peek(identity, index);
        if block.is_some() && is_from_memory(length) {
            return None;
        }
        let name = self.engine.on_disk(identity, index);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        let piece = disk.at_hand(&name, range, is_use)?;
        let Some(block) = block else {
            return Some((piece, false));
        };
        let is_file = matches!(piece, Piece::File(_));
        // What is left to the connection cannot be asked for again.
        let may_have_to = is_file && length <= SHORT_ANSWER_BYTES;
        let stands_in = block.stands_in(may_have_to.then_some(end));
        let piece = match piece {
            Piece::File(part) if stands_in => {
                let sources = Arc::clone(self);
                Piece::File(part.with_twin(Arc::new(InMemory {
                    block,
                    sources,
                    name,
                })))
            }
            piece => piece,
        };
        Some((piece, true))
    }
}

impl Engine {
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
