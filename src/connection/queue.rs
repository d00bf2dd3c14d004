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

    /// Whether all of it is in memory, what lies in files too: none of it may have to be asked for again.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let in_memory = |piece: &Piece| match piece {
            Piece::Memory(_) => true,
            Piece::File(part) => part.twin().is_some(),
        };
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

    /// The file in front cannot be sent: takes its bytes out of memory, and tells whether they are there.
    pub fn do_without_file(&mut self) -> bool {
        let Some(Piece::File(part)) = self.pieces.front_mut() else {
            return false;
        };
        let Some(bytes) = part.copy() else {
            return false;
        };
        if let Some(twin) = part.twin() {
            twin.file_failed();
        }
        if let Some(front) = self.pieces.front_mut() {
            *front = bytes.into();
        }
        true
    }

    /// What is to be sent from memory, up to the first file.
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
                Piece::File(part) => {
                    if let Some(bytes) = part.copy() {
                        copied.extend_from_slice(&bytes);
                        continue;
                    }
                    gathered.push_back(copied.split().freeze().into());
                    gathered.push_back(Piece::File(part));
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
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::storage::piece::Twin;

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

    /// The bytes of a file, in memory too.
    #[derive(Debug, Default)]
    struct Digits(AtomicBool);

    impl Twin for Digits {
        fn copy(&self, range: Range<u64>) -> Option<Bytes> {
            Some(
                range
                    .map(|at| b'0' + u8::try_from(at % 10).unwrap())
                    .collect(),
            )
        }

        fn file_failed(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_a_file_and_memory_have_comes_from_memory_when_the_file_cannot_be_sent() {
        let digits = Arc::new(Digits::default());
        let mut queue = Queue::default();
        let file = Arc::new(tempfile::tempfile().unwrap());
        let part = FilePart::new(file, 5, 10).with_twin(Arc::<Digits>::clone(&digits));
        queue.push(Bytes::from_static(b"ab").into());
        queue.push(Piece::File(part));
        assert!(queue.is_in_memory(), "nothing has to be asked for again");
        assert!(!queue.do_without_file(), "it is not in front");
        queue.advance(4);
        assert!(queue.file().is_some());
        assert!(queue.do_without_file() && digits.0.load(Ordering::Relaxed));
        assert_eq!((queue.len(), front(&queue)), (8, b"78901234".to_vec()));
        // Without a twin there is no way but to ask for it again.
        let mut queue = mixed();
        queue.advance(4);
        assert!(!queue.is_in_memory() && !queue.do_without_file());
        assert!(queue.file().is_some());
    }

    #[test]
    fn what_a_file_and_memory_have_is_gathered_too() {
        let digits = Arc::new(Digits::default());
        let mut queue = Queue::default();
        let file = Arc::new(tempfile::tempfile().unwrap());
        let part = FilePart::new(file, 5, 10).with_twin(digits);
        queue.push(Bytes::from_static(b"ab").into());
        queue.push(Piece::File(part));
        queue.gather();
        assert!(queue.file().is_none());
        assert_eq!((queue.len(), front(&queue)), (12, b"ab5678901234".to_vec()));
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
