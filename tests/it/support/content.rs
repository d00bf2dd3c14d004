//! Bytes that tell where they belong.

/// `length` bytes of a version of an object. Each aligned word of eight holds the version in its
/// first byte and its own index in the others, so that a wrong offset or a mix of versions shows
/// wherever it happens, without a stored copy to compare with.
pub fn content(version: u8, length: usize) -> Vec<u8> {
    (0..length.div_ceil(8))
        .flat_map(|word| (u64::from(version) << 56 | word as u64).to_be_bytes())
        .take(length)
        .collect()
}
