//! Films, whole and broken, made of the samples.

/// A film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Film {
    /// Its index stands before its media.
    First,
    /// Its index stands at the end.
    Last,
    /// The same, with the end missing.
    CutOff,
    /// One with its index before its media, with the end missing.
    CutOffFirst,
    /// Its video says that it is HEVC, in the way that Apple does not read.
    Hev1,
}

impl Film {
    pub fn bytes(self) -> Vec<u8> {
        let first = include_bytes!("../../../localstack/media/clock.mp4");
        let last = include_bytes!("../../../localstack/media/clock-moov-last.mp4");
        match self {
            Self::First => first.to_vec(),
            Self::Last => last.to_vec(),
            Self::CutOff => last[..500_000].to_vec(),
            Self::CutOffFirst => first[..500_000].to_vec(),
            Self::Hev1 => {
                let mut film = first.to_vec();
                let entry = b"avc1\0\0\0\0\0\0\0\x01";
                let at = film.windows(12).position(|bytes| bytes == entry);
                film[at.expect("a sample entry")..][..4].copy_from_slice(b"hev1");
                film
            }
        }
    }
}
