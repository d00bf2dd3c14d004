//! From box to box through a file that is somewhere else, a header at a time.
//!
//! Whoever walks asks [`Walk::wants`] for a position, reads up to [`BoxHeader::MAX_BYTES`] bytes there
//! by whatever means, hands them to [`Walk::take`], and goes on until nothing more is wanted.

use std::fmt;

use super::boxes::{BoxError, BoxHeader, BoxType};

/// Most boxes that are looked at: those of films that are no fragments are a handful.
pub const MAX_BOXES: usize = 32;

/// Where the index of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexPlace {
    /// Before the media: playing starts with the first bytes.
    First,
    /// After the media: a player has to read the end before it starts.
    Last,
    /// None was found.
    Missing,
}

/// Positions of a box: `start` is that of its header, `end` the one after its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Position of the header.
    pub start: u64,
    /// Position of the content.
    pub content: u64,
    /// The position after the last byte; at most the length of the file.
    pub end: u64,
}

/// Why a walk ended before it had found what it looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkError {
    /// There is no box at this position.
    NoBox(u64, BoxError),
    /// The box at this position would end beyond the file: the file is cut off.
    Beyond(u64, BoxType),
    /// There were [`MAX_BOXES`] boxes.
    TooMany,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBox(at, error) => write!(f, "at byte {at}: {error}"),
            Self::Beyond(at, kind) => {
                write!(
                    f,
                    "the box {kind} at byte {at} ends beyond the end of the file"
                )
            }
            Self::TooMany => write!(f, "there is no index within {MAX_BOXES} boxes"),
        }
    }
}

impl std::error::Error for WalkError {}

/// A walk over the outermost boxes of a file, until its index and its media are found.
///
/// ```
/// use s3reel::media::{IndexPlace, Walk};
/// let file = b"\0\0\0\x08ftyp\0\0\0\x08mdat\0\0\0\x08moov";
/// let mut walk = Walk::new(24);
/// while let Some(at) = walk.wants() {
///     walk.take(&file[usize::try_from(at).unwrap()..]).unwrap();
/// }
/// assert_eq!(walk.index_place(), IndexPlace::Last);
/// ```
#[derive(Debug, Clone)]
pub struct Walk {
    length: u64,
    at: u64,
    boxes: usize,
    index: Option<Span>,
    media: Option<Span>,
}

impl Walk {
    /// A walk through a file of `length` bytes.
    #[must_use]
    pub const fn new(length: u64) -> Self {
        Self {
            length,
            at: 0,
            boxes: 0,
            index: None,
            media: None,
        }
    }

    /// Where the next header is to be read; `None` at the end of the walk.
    #[must_use]
    pub fn wants(&self) -> Option<u64> {
        let found = self.index.is_some() && self.media.is_some();
        (!found && self.at < self.length).then_some(self.at)
    }

    /// Takes the bytes at the position that was wanted: [`BoxHeader::MAX_BYTES`], or as many as the
    /// file has there.
    ///
    /// # Errors
    /// [`WalkError`] when the walk ends here for another reason than having found all.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), WalkError> {
        let start = self.at;
        if self.boxes >= MAX_BOXES {
            return self.stop(WalkError::TooMany);
        }
        self.boxes += 1;
        let header = match BoxHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return self.stop(WalkError::NoBox(start, error)),
        };
        let end = header.end(start, self.length);
        let span = Span {
            start,
            content: start.saturating_add(header.header_bytes()).min(self.length),
            end: end.unwrap_or(u64::MAX).min(self.length),
        };
        match header.kind() {
            BoxType::MOOV => self.index = self.index.or(Some(span)),
            BoxType::MDAT | BoxType::MOOF => self.media = self.media.or(Some(span)),
            _ => {}
        }
        match end {
            Some(end) if end <= self.length => {
                self.at = end;
                Ok(())
            }
            _ => self.stop(WalkError::Beyond(start, header.kind())),
        }
    }

    fn stop(&mut self, error: WalkError) -> Result<(), WalkError> {
        self.at = self.length;
        Err(error)
    }

    /// The index, if it has been met.
    #[must_use]
    pub const fn index(&self) -> Option<Span> {
        self.index
    }

    /// Where the index is, as far as the walk has come.
    #[must_use]
    pub fn index_place(&self) -> IndexPlace {
        match (self.index, self.media) {
            (None, _) => IndexPlace::Missing,
            (Some(index), Some(media)) if media.start < index.start => IndexPlace::Last,
            (Some(_), _) => IndexPlace::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(file: &[u8]) -> (Walk, Result<(), WalkError>) {
        let mut walk = Walk::new(u64::try_from(file.len()).unwrap());
        let mut outcome = Ok(());
        while let Some(at) = walk.wants() {
            let rest = &file[usize::try_from(at).unwrap()..];
            outcome = walk.take(&rest[..rest.len().min(16)]);
        }
        (walk, outcome)
    }

    #[test]
    fn the_index_of_the_samples_is_found_in_a_few_steps() {
        let first = include_bytes!("../../localstack/media/clock.mp4");
        let last = include_bytes!("../../localstack/media/clock-moov-last.mp4");
        for (file, place) in [(first, IndexPlace::First), (last, IndexPlace::Last)] {
            let (walk, outcome) = walked(file);
            assert_eq!(outcome, Ok(()));
            assert_eq!(walk.index_place(), place);
            assert!(walk.boxes <= 4, "{}", walk.boxes);
            let index = walk.index().unwrap();
            assert_eq!(index.content, index.start + 8);
            assert!(index.end > index.content);
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_one_whose_boxes_end_beyond_it() {
        let (walk, outcome) = walked(b"\0\0\0\x08ftyp\0\0\0\xffmdat....");
        assert_eq!(outcome, Err(WalkError::Beyond(8, BoxType::MDAT)));
        assert_eq!(walk.index_place(), IndexPlace::Missing);
    }

    #[test]
    fn boxes_without_end_and_what_is_no_box_end_the_walk() {
        let many = b"\0\0\0\x08free".repeat(1000);
        assert_eq!(walked(&many).1, Err(WalkError::TooMany));
        assert_eq!(
            walked(b"\0\0\0\x08free\0\0\0\x02free").1,
            Err(WalkError::NoBox(8, BoxError::Size))
        );
        assert_eq!(walked(b"").1, Ok(()));
    }

    #[test]
    fn fragments_count_as_media() {
        let (walk, outcome) = walked(b"\0\0\0\x08moov\0\0\0\x08moof\0\0\0\x08mdat");
        assert_eq!(
            (walk.index_place(), outcome, walk.boxes),
            (IndexPlace::First, Ok(()), 2)
        );
    }
}
