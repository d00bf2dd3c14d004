//! The sample media that ship inside the binary, made from ffmpeg's own test sources by
//! `localstack/make-media.sh`: free of rights, with a clock in the picture.

use bytes::Bytes;

use super::memory::Memory;
use super::shelf::{Metadata, Shelf};
use crate::object::media_type;

macro_rules! sample {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/localstack/media/",
                $name
            )),
        )
    };
}

/// Names and contents.
pub const SAMPLES: &[(&str, &[u8])] = &[
    sample!("clock-moov-last.mp4"),
    sample!("clock.jpg"),
    sample!("clock.mp4"),
    sample!("clock.vtt"),
    sample!("clock.webm"),
    sample!("tone.mp3"),
];

/// A shelf with the samples on it.
#[must_use]
pub fn shelf() -> Shelf {
    let memory = Memory::default();
    for (name, bytes) in SAMPLES {
        // The bytes are those of this build, so its version and their length tell them apart.
        let etag = format!("{}-{:x}", env!("CARGO_PKG_VERSION"), bytes.len());
        let metadata = Metadata {
            content_type: media_type::by_extension(name).map(ToOwned::to_owned),
            ..Metadata::default()
        };
        memory.put(name, Bytes::from_static(bytes), &etag, metadata);
    }
    Shelf::Memory(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_type_and_all_together_stay_small() {
        let total: usize = SAMPLES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(total <= 4 * 1024 * 1024, "{total} bytes");
        for (name, bytes) in SAMPLES {
            assert!(media_type::by_extension(name).is_some(), "{name}");
            assert!(!bytes.is_empty(), "{name}");
        }
    }
}
