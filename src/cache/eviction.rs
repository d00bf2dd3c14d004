//! Which block goes when room is needed: S3-FIFO.
//!
//! New blocks queue in a small part. Those that nobody asked for again by its end go, so that one
//! pass over a long film does not push out what many watch; the others move to the main part, where
//! each further use buys another round. What went lately is remembered, and comes back to the main
//! part (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// The small part, in hundredths of all bytes.
const SMALL_HUNDREDTHS: u64 = 10;

/// Uses since it came that move a block from the small part to the main one.
const USED_AGAIN: u8 = 2;

/// Uses that are counted between two rounds; more say no more.
pub const MOST_USES: u8 = 3;

/// How many that went are remembered at most; many times what a cache of usual size holds.
const MOST_REMEMBERED: usize = 16 * 1024;

/// What became of a block since it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not there any more, or not evictable: forget it.
    Gone,
    /// It is there, and was used so often since it was asked last.
    Used(u8),
}

/// The queues. They know names and sizes, never the blocks.
#[derive(Debug)]
pub struct Fifo<K> {
    capacity: u64,
    small: VecDeque<(K, u64)>,
    small_bytes: u64,
    main: VecDeque<(K, u64)>,
    remembered: VecDeque<K>,
    remembered_set: HashSet<K>,
}

impl<K: Clone + Eq + Hash> Fifo<K> {
    /// Empty queues for so many bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            small: VecDeque::new(),
            small_bytes: 0,
            main: VecDeque::new(),
            remembered: VecDeque::new(),
            remembered_set: HashSet::new(),
        }
    }

    /// A block has come.
    pub fn insert(&mut self, key: K, bytes: u64) {
        if self.remembered_set.remove(&key) {
            self.main.push_back((key, bytes));
        } else {
            self.small_bytes = self.small_bytes.saturating_add(bytes);
            self.small.push_back((key, bytes));
        }
    }

    /// The block that has to go next, if there is any. `fate` tells what became of one, and begins
    /// to count its uses anew.
    pub fn evict(&mut self, mut fate: impl FnMut(&K) -> Fate) -> Option<K> {
        // Each turn takes one from the small part for good or lowers a count of the main part.
        loop {
            let small_is_full =
                self.small_bytes > self.capacity / 100 * SMALL_HUNDREDTHS || self.main.is_empty();
            if small_is_full && let Some((key, bytes)) = self.small.pop_front() {
                self.small_bytes = self.small_bytes.saturating_sub(bytes);
                match fate(&key) {
                    Fate::Gone => {}
                    Fate::Used(times) if times >= USED_AGAIN => self.main.push_back((key, bytes)),
                    Fate::Used(_) => {
                        self.remember(key.clone());
                        return Some(key);
                    }
                }
                continue;
            }
            let (key, bytes) = self.main.pop_front()?;
            match fate(&key) {
                Fate::Gone => {}
                Fate::Used(0) => return Some(key),
                Fate::Used(_) => self.main.push_back((key, bytes)),
            }
        }
    }

    /// Forgets what went for another reason. Without this the queues would grow with each key that
    /// goes and comes again before there is anything to evict.
    pub fn forget(&mut self, is_meant: impl Fn(&K) -> bool) {
        let small_bytes = &mut self.small_bytes;
        self.small.retain(|(key, bytes)| {
            let stays = !is_meant(key);
            if !stays {
                *small_bytes = small_bytes.saturating_sub(*bytes);
            }
            stays
        });
        self.main.retain(|(key, _)| !is_meant(key));
    }

    fn remember(&mut self, key: K) {
        if self.remembered_set.insert(key.clone()) {
            self.remembered.push_back(key);
        }
        // As many as are held, and never without end.
        let most = (self.small.len().saturating_add(self.main.len())).clamp(64, MOST_REMEMBERED);
        while self.remembered.len() > most {
            if let Some(oldest) = self.remembered.pop_front() {
                self.remembered_set.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A cache of so many blocks of one byte, driven by the queues.
    struct Model {
        fifo: Fifo<u32>,
        held: HashMap<u32, u8>,
        room: usize,
    }

    impl Model {
        fn new(room: usize) -> Self {
            Self {
                fifo: Fifo::new(u64::try_from(room).unwrap()),
                held: HashMap::new(),
                room,
            }
        }

        /// Whether it was a hit.
        fn ask(&mut self, key: u32) -> bool {
            if let Some(uses) = self.held.get_mut(&key) {
                *uses = (*uses + 1).min(3);
                return true;
            }
            while self.held.len() >= self.room {
                let Self { fifo, held, .. } = self;
                let gone = fifo.evict(|key| match held.get_mut(key) {
                    Some(uses) => Fate::Used(std::mem::take(uses)),
                    None => Fate::Gone,
                });
                held.remove(&gone.expect("something to evict"));
            }
            self.held.insert(key, 0);
            self.fifo.insert(key, 1);
            false
        }
    }

    #[test]
    fn what_is_used_again_outlives_a_scan() {
        let mut cache = Model::new(200);
        for _ in 0..4 {
            for hot in 0..50 {
                cache.ask(hot);
            }
        }
        for scanned in 1000..11_000 {
            cache.ask(scanned);
        }
        let kept = (0..50).filter(|hot| cache.held.contains_key(hot)).count();
        assert_eq!(kept, 50);
    }

    #[test]
    fn what_came_back_soon_is_kept_in_the_main_part() {
        let mut cache = Model::new(100);
        for key in 0..150 {
            cache.ask(key);
        }
        assert!(!cache.held.contains_key(&30));
        cache.ask(30);
        for key in 1000..1080 {
            cache.ask(key);
        }
        assert!(cache.ask(30), "gone again");
    }

    #[test]
    fn it_never_holds_more_than_it_may_and_remembers_within_bounds() {
        let mut cache = Model::new(10);
        let mut state = 1_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            cache.ask(state >> 25);
            assert!(cache.held.len() <= 10);
        }
        assert!(cache.fifo.remembered.len() <= 64);
        assert!(cache.fifo.remembered_set.len() <= cache.fifo.remembered.len());
        assert!(cache.fifo.small.len() + cache.fifo.main.len() <= 10);
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind_however_often_it_comes_again() {
        let mut fifo = Fifo::new(100);
        for _ in 0..1000 {
            fifo.insert(1, 10);
            fifo.insert(2, 10);
            fifo.forget(|&key| key == 1);
            fifo.forget(|&key| key == 2);
        }
        assert_eq!((fifo.small.len(), fifo.main.len()), (0, 0));
        assert_eq!(fifo.small_bytes, 0);
    }

    #[test]
    fn what_is_gone_is_skipped_and_nothing_left_is_none() {
        let mut fifo = Fifo::new(100);
        fifo.insert(1, 10);
        fifo.insert(2, 10);
        assert_eq!(fifo.evict(|_| Fate::Gone), None);
        assert_eq!(fifo.evict(|_| Fate::Used(0)), None);
    }
}
