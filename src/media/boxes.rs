//! Box headers (ISO/IEC 14496-12 section 4.2).

use std::fmt;

/// The four characters that say what a box is.
///
/// It prints as text, with anything but visible ASCII escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoxType(pub [u8; 4]);

impl BoxType {
    /// File type and compatibility.
    pub const FTYP: Self = Self(*b"ftyp");
    /// The index of a film: what tracks there are and where their samples are.
    pub const MOOV: Self = Self(*b"moov");
    /// Media data.
    pub const MDAT: Self = Self(*b"mdat");
    /// The index of one fragment.
    pub const MOOF: Self = Self(*b"moof");
}

impl fmt::Display for BoxType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// The head of a box: what it is, and how long it is in all.
///
/// ```
/// use s3reel::media::{BoxHeader, BoxType};
/// let header = BoxHeader::parse(b"\0\0\0\x18ftypisom").unwrap();
/// assert_eq!(header.kind(), BoxType::FTYP);
/// assert_eq!(header.end(100, 1000), Some(124));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxHeader {
    kind: BoxType,
    /// 8, or 16 with a 64-bit size.
    header_bytes: u64,
    /// Bytes of the whole box, this header included; `None` for all that is left.
    size: Option<u64>,
}

/// Why bytes are no box header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxError {
    /// Fewer bytes than the header has.
    Short,
    /// The box says that it is shorter than its own header.
    Size,
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the bytes end within the header of a box",
            Self::Size => "a box is shorter than its own header",
        })
    }
}

impl std::error::Error for BoxError {}

impl BoxHeader {
    /// Bytes of the longest header, one with a 64-bit size.
    pub const MAX_BYTES: u64 = 16;

    /// Reads the header that `bytes` begin with; what follows it does not matter.
    ///
    /// # Errors
    /// [`BoxError`] when there are too few bytes, or the box would end within its header.
    pub fn parse(bytes: &[u8]) -> Result<Self, BoxError> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or(BoxError::Short)?;
        let (kind, rest) = rest.split_first_chunk::<4>().ok_or(BoxError::Short)?;
        let (header_bytes, size) = match u32::from_be_bytes(*size) {
            // To the end of the file.
            0 => (8, None),
            // The size is in the next 64 bits.
            1 => {
                let (large, _) = rest.split_first_chunk::<8>().ok_or(BoxError::Short)?;
                (16, Some(u64::from_be_bytes(*large)))
            }
            size => (8, Some(u64::from(size))),
        };
        if size.is_some_and(|size| size < header_bytes) {
            return Err(BoxError::Size);
        }
        Ok(Self {
            kind: BoxType(*kind),
            header_bytes,
            size,
        })
    }

    /// What the box is.
    #[must_use]
    pub const fn kind(self) -> BoxType {
        self.kind
    }

    /// Length of the header in bytes: 8 or 16.
    #[must_use]
    pub const fn header_bytes(self) -> u64 {
        self.header_bytes
    }

    /// Where a box ends that starts at `start` in something of `length` bytes: the position after
    /// its last byte. It may lie beyond `length`; `None` when it would not fit in 64 bits.
    #[must_use]
    pub fn end(self, start: u64, length: u64) -> Option<u64> {
        match self.size {
            Some(size) => start.checked_add(size),
            None => Some(length),
        }
    }
}

/// The boxes inside a box, each with as much of its content as `bytes` have. It ends where the bytes
/// do, or where they are no box any more.
#[derive(Debug, Clone)]
pub struct Boxes<'a> {
    rest: &'a [u8],
}

/// The boxes that these bytes consist of.
#[must_use]
pub const fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = (BoxType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = BoxHeader::parse(self.rest).ok()?;
        let whole = u64::try_from(self.rest.len()).ok()?;
        // At least the header, so each step goes on.
        let end = header.end(0, whole)?.min(whole);
        let (this, rest) = self.rest.split_at_checked(usize::try_from(end).ok()?)?;
        self.rest = rest;
        let content = this.get(usize::try_from(header.header_bytes).ok()?..)?;
        Some((header.kind, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_says_what_and_how_long_in_three_ways() {
        let large = [&[0, 0, 0, 1][..], b"mdat", &0x1_0000_0000_u64.to_be_bytes()].concat();
        for (bytes, kind, header_bytes, end) in [
            (&b"\0\0\0\x08free"[..], "free", 8, 18),
            (b"\0\0\0\0mdat", "mdat", 8, 5000),
            (&large, "mdat", 16, 0x1_0000_000a),
        ] {
            let header = BoxHeader::parse(bytes).unwrap();
            assert_eq!(header.kind().to_string(), kind);
            assert_eq!(header.header_bytes(), header_bytes);
            assert_eq!(header.end(10, 5000), Some(end));
        }
    }

    #[test]
    fn what_is_too_short_is_refused() {
        for (bytes, error) in [
            (&b""[..], BoxError::Short),
            (b"\0\0\0\x08fre", BoxError::Short),
            (b"\0\0\0\x07free", BoxError::Size),
            (b"\0\0\0\x01mdat\0\0\0\0\0\0\0", BoxError::Short),
            (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f", BoxError::Size),
        ] {
            assert_eq!(BoxHeader::parse(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn a_box_that_would_end_beyond_64_bits_has_no_end() {
        let bytes = [&[0, 0, 0, 1][..], b"mdat", &[0xff; 8]].concat();
        let header = BoxHeader::parse(&bytes).unwrap();
        assert_eq!(header.end(0, 100), Some(u64::MAX));
        assert_eq!(header.end(1, 100), None);
    }

    #[test]
    fn the_last_box_may_be_cut_off() {
        let bytes = b"\0\0\0\x0aftypab\0\0\0\x20moovcd";
        let found: Vec<_> = boxes(bytes).collect();
        assert_eq!(
            found,
            [(BoxType::FTYP, &b"ab"[..]), (BoxType::MOOV, &b"cd"[..])]
        );
    }

    proptest! {
        #[test]
        fn boxes_are_found_as_they_were_put(
            contents in prop::collection::vec((any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..40)), 0..8))
        {
            let bytes: Vec<u8> = contents.iter().flat_map(|(kind, content)| {
                let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
                [&size[..], kind, content].concat()
            }).collect();
            let found: Vec<_> = boxes(&bytes).map(|(kind, content)| (kind.0, content.to_vec())).collect();
            prop_assert_eq!(found, contents);
        }
    }
}
