//! What blocks are called in memory, and how they are found by it.

use std::borrow::Borrow;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A block of an object, by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockKey<O> {
    /// Of which object.
    pub object: O,
    /// Which, from 0.
    pub index: u64,
}

/// The name of a block, whoever has its parts: a look for one costs no copy of its object's name, which
/// all threads count who has it.
pub trait Named<O> {
    /// Of which object, and which.
    fn parts(&self) -> (&O, u64);
}

/// A borrowed name.
#[derive(Debug, Clone, Copy)]
pub struct BlockRef<'a, O>(pub &'a O, pub u64);

impl<O> Named<O> for BlockKey<O> {
    fn parts(&self) -> (&O, u64) {
        (&self.object, self.index)
    }
}

impl<O> Named<O> for BlockRef<'_, O> {
    fn parts(&self) -> (&O, u64) {
        (self.0, self.1)
    }
}

impl<'a, O: 'a> Borrow<dyn Named<O> + 'a> for BlockKey<O> {
    fn borrow(&self) -> &(dyn Named<O> + 'a) {
        self
    }
}

// Object and number one after the other, as it is derived for the whole name, or a map would not find
// what is in it.
impl<O: Hash> Hash for dyn Named<O> + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl<O: Eq> PartialEq for dyn Named<O> + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl<O: Eq> Eq for dyn Named<O> + '_ {}

/// For maps by names of objects that are hashed already, with a secret: see
/// [`super::identity::ObjectIdentity`]. It only brings the number of the block in.
pub type BlockHasher = BuildHasherDefault<Mixer>;

/// Multiplies to twice the width and folds that, as wyhash does, so that each bit reaches all others.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mixer(u64);

/// An odd number without a pattern: the golden ratio's fraction.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value).wrapping_mul(u128::from(MULTIPLIER));
        let half = |half: u128| u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default();
        self.0 = half(product) ^ half(product >> 64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let value = part.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            self.write_u64(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};
    use std::hash::BuildHasher as _;

    #[test]
    fn a_block_is_found_by_a_borrowed_name() {
        let mut blocks: HashMap<BlockKey<String>, u8, BlockHasher> = HashMap::default();
        for (object, index, value) in [("a", 0, 1), ("a", 1, 2), ("b", 0, 3)] {
            let object = object.to_owned();
            blocks.insert(BlockKey { object, index }, value);
        }
        let find = |object: &str, index| {
            let object = object.to_owned();
            let name: &dyn Named<String> = &BlockRef(&object, index);
            blocks.get(name).copied()
        };
        assert_eq!(find("a", 0), Some(1));
        assert_eq!(find("a", 1), Some(2));
        assert_eq!(find("b", 0), Some(3));
        assert_eq!(find("b", 1), None);
    }

    #[test]
    fn blocks_of_one_object_are_spread_over_a_map() {
        let hashes = |bits: u32| -> usize {
            let low = (0..4096_u64).map(|index| {
                let hash = BlockHasher::default().hash_one((0x1234_5678_9abc_def0_u64, index));
                hash & ((1 << bits) - 1)
            });
            low.collect::<HashSet<_>>().len()
        };
        // Of 4096 thrown into as many places, 63 in a hundred places are hit on average.
        assert!(hashes(12) > 2400, "{}", hashes(12));
        let high: HashSet<_> = (0..4096_u64)
            .map(|index| BlockHasher::default().hash_one((7_u64, index)) >> 57)
            .collect();
        assert_eq!(high.len(), 128);
    }
}
