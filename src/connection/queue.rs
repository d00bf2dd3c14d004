//! Bytes of a body that wait to be taken.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::storage::Piece;
use crate::storage::piece::FilePart;

/// Pieces of a body, in order.
#[derive(Debug, Default)]
pub struct Queue {
    pieces: VecDeque<Piece>,
    /// Of all pieces.
    bytes: usize,
    /// What is in memory has memory of its own.
    is_gathered: bool,
}

impl Queue {
    /// Bytes in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// True if nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether none of it lies in a file.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let in_memory = |piece: &Piece| matches!(piece, Piece::Memory(_));
        self.pieces.iter().all(in_memory)
    }

    /// Puts a piece behind the others.
    pub fn push(&mut self, piece: Piece) {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.pieces.push_back(piece);
        self.is_gathered = false;
    }

    /// The file in front, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&FilePart> {
        match self.pieces.front() {
            Some(Piece::File(part)) => Some(part),
            Some(Piece::Memory(_)) | None => None,
        }
    }

    /// What is in memory, up to the first file.
    pub fn in_memory(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map_while(|piece| match piece {
            Piece::Memory(bytes) => Some(bytes.as_ref()),
            Piece::File(_) => None,
        })
    }

    /// Takes bytes from the front, at most all.
    pub fn advance(&mut self, length: usize) {
        self.bytes = self.bytes.saturating_sub(length);
        let mut left = length;
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > left {
                piece.advance(left);
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
    }

    /// Copies what is in memory, which may be small parts of something large.
    pub fn gather(&mut self) {
        if self.is_empty() || self.is_gathered {
            return;
        }
        let mut gathered = VecDeque::new();
        let mut copied = BytesMut::new();
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Memory(bytes) => copied.extend_from_slice(&bytes),
                Piece::File(_) => {
                    gathered.push_back(copied.split().freeze().into());
                    gathered.push_back(piece);
                }
            }
        }
        gathered.push_back(copied.freeze().into());
        gathered.retain(|piece| !piece.is_empty());
        self.pieces = gathered;
        self.is_gathered = true;
    }

    /// Forgets it all.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    /// Two pieces in memory, a file of ten bytes, and one more.
    fn mixed() -> Queue {
        let mut queue = Queue::default();
        let file = Arc::new(tempfile::tempfile().unwrap());
        queue.push(Bytes::from_static(b"ab").into());
        queue.push(Bytes::from_static(b"cd").into());
        queue.push(Piece::File(FilePart::new(file, 5, 10)));
        queue.push(Bytes::from_static(b"ef").into());
        queue
    }

    fn front(queue: &Queue) -> Vec<u8> {
        queue.in_memory().flatten().copied().collect()
    }

    #[test]
    fn what_is_taken_is_gone_and_the_rest_stays_in_order() {
        let mut queue = mixed();
        assert_eq!((queue.len(), front(&queue)), (16, b"abcd".to_vec()));
        assert!(queue.file().is_none() && !queue.is_in_memory());
        queue.advance(3);
        assert_eq!((queue.len(), front(&queue)), (13, b"d".to_vec()));
        queue.advance(5);
        assert!(queue.file().is_some() && front(&queue).is_empty());
        queue.advance(6);
        assert_eq!((queue.len(), front(&queue)), (2, b"ef".to_vec()));
        assert!(queue.is_in_memory());
        queue.advance(2);
        assert!(queue.is_empty() && front(&queue).is_empty());
    }

    #[test]
    fn what_is_gathered_is_the_same_with_memory_of_its_own() {
        let mut queue = mixed();
        queue.gather();
        assert_eq!((queue.len(), front(&queue)), (16, b"abcd".to_vec()));
        assert_eq!(queue.in_memory().count(), 1);
        queue.advance(4);
        assert!(queue.file().is_some());
        queue.advance(10);
        assert_eq!(front(&queue), b"ef");
        queue.clear();
        assert!(queue.is_empty() && queue.is_in_memory());
    }
}
