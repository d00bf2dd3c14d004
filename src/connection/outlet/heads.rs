//! Heads of answers on their way.

use std::cell::RefCell;

/// Bytes of most heads.
const USUAL_BYTES: usize = 768;

/// What each thread keeps of memory for heads that have left, for those that come.
const MOST_SPARE: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Memory for the field lines of a head: that of one that has just left, which the processor still has at
/// hand.
#[must_use]
pub fn field_memory() -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(USUAL_BYTES))
}

/// What the viewer has not taken of heads. Its memory goes to the next head of the thread with the last
/// byte: there are many connections that wait.
#[derive(Debug, Default)]
pub(super) struct Heads {
    bytes: Vec<u8>,
    taken: usize,
}

impl Heads {
    /// What is to be sent, in order.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// True when all was taken.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a head, which comes without its empty line, and further field lines of it.
    pub(super) fn push(&mut self, head: &[u8], mut fields: Vec<u8>) {
        fields.extend_from_slice(b"\r\n");
        // The fields are most of it, and have room for the rest.
        let front = [self.as_slice(), head, b"\r\n"];
        let length = fields.len();
        let mut at = front.iter().map(|part| part.len()).sum();
        fields.resize(length.saturating_add(at), 0);
        fields.copy_within(..length, at);
        for part in front.iter().rev() {
            let end = at;
            at = at.saturating_sub(part.len());
            if let Some(place) = fields.get_mut(at..end) {
                place.copy_from_slice(part);
            }
        }
        *self = Self {
            bytes: fields,
            taken: 0,
        };
    }

    /// The viewer took so many bytes, of these first. How many of them were of something else.
    pub(super) fn advance(&mut self, taken: usize) -> usize {
        let here = self.as_slice().len();
        if taken < here {
            self.taken = self.taken.saturating_add(taken);
            return 0;
        }
        let Self { mut bytes, .. } = std::mem::take(self);
        bytes.clear();
        SPARE.with_borrow_mut(|spare| {
            if bytes.capacity() == USUAL_BYTES && spare.len() < MOST_SPARE {
                spare.push(bytes);
            }
        });
        taken.saturating_sub(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_leave_in_order_however_few_bytes_are_taken_at_once() {
        for step in 1..60 {
            let mut heads = Heads::default();
            let mut sent = Vec::new();
            let mut take = |heads: &mut Heads| {
                let most = step.min(heads.as_slice().len());
                sent.extend_from_slice(&heads.as_slice()[..most]);
                heads.advance(most)
            };
            heads.push(b"HTTP/1.1 200 OK", b"a: b\r\n".to_vec());
            assert_eq!(take(&mut heads), 0);
            heads.push(b"HTTP/1.1 206 Partial Content\r\nc: d", Vec::new());
            while !heads.is_empty() {
                assert_eq!(take(&mut heads), 0);
            }
            assert_eq!(heads.advance(7), 7);
            assert_eq!(
                String::from_utf8(sent).unwrap(),
                "HTTP/1.1 200 OK\r\na: b\r\n\r\n\
                 HTTP/1.1 206 Partial Content\r\nc: d\r\n\r\n",
                "{step}"
            );
        }
    }

    #[test]
    fn what_was_taken_beyond_a_head_is_told() {
        let mut heads = Heads::default();
        heads.push(b"x", b"y\r\n".to_vec());
        let length = heads.as_slice().len();
        assert_eq!(heads.advance(length + 2), 2);
        assert!(heads.is_empty());
    }
}
