//! The cache's state machine with its threads in many orders: its files compiled against the locks of
//! a model checker.

// Not all that the service uses is used here.
#![expect(dead_code, unused_imports, reason = "the files are the service's own")]
#![expect(clippy::expect_used, reason = "tests say what they expect")]

#[path = "../src/cache/block.rs"]
mod block;
#[path = "../src/cache/block_key.rs"]
mod block_key;
#[path = "../src/cache/eviction.rs"]
mod eviction;
#[path = "../src/cache/run.rs"]
mod run;
#[path = "../src/cache/store.rs"]
mod store;

/// The locks that the checker watches.
mod sync {
    pub use shuttle::sync::{Arc, Mutex, MutexGuard};

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("a lock")
    }
}

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use run::{Next, Run};
use shuttle::future::block_on;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use store::{Found, Store};

const BLOCK: u64 = 4;
const LENGTH: u64 = 14;

type Error = &'static str;
type Blocks = Store<&'static str, Error>;

/// The byte at a position.
fn byte(position: u64) -> u8 {
    u8::try_from(position).expect("a short film") ^ 0x5a
}

/// What an origin does with a run: hands out its bytes, and breaks off after so many.
fn fill(mut run: Run<&'static str, Error>, breaks_after: Option<u64>, calls: &AtomicUsize) {
    calls.fetch_add(1, Ordering::Relaxed);
    let (first, last) = run.positions(None);
    for position in first..=last {
        if breaks_after.is_some_and(|after| position - first >= after) {
            run.fail("broken");
            return;
        }
        if run.push(&[byte(position)]) == Next::End {
            return;
        }
    }
}

/// Reads positions as a viewer does, until it has them or leaves after so many bytes. Errors are
/// tried again.
fn view(
    blocks: &Arc<Blocks>,
    faults: &Mutex<Vec<u64>>,
    calls: &Arc<AtomicUsize>,
    leaves_after: u64,
) {
    let mut position = 0;
    let mut interest = None;
    while position < leaves_after {
        let (index, most) = (position / BLOCK, 1 + position % 3);
        // As is done for short ranges.
        let offset = usize::try_from(position % BLOCK).expect("a small block");
        if let Some(ready) = blocks.read_ready(&"film", index, offset, true) {
            for found in ready.bytes {
                assert_eq!(found, byte(position), "another byte at {position}");
                position += 1;
            }
            continue;
        }
        let block = match blocks.find(&"film", LENGTH, index, |_| most) {
            Found::Ready(block) => block,
            Found::Coming(block, coming) => {
                interest = Some(coming);
                block
            }
            Found::Begun(block, begun, run) => {
                interest = Some(begun);
                let fault = sync::lock(faults).pop();
                let calls = Arc::clone(calls);
                thread::spawn(move || fill(run, fault, &calls));
                block
            }
            Found::Full => {
                // Past the cache.
                position = (index + 1) * BLOCK;
                continue;
            }
        };
        while position < leaves_after && position / BLOCK == index {
            let offset = usize::try_from(position % BLOCK).expect("a small block");
            match block_on(poll_fn(|cx| block.poll_read(offset, cx))) {
                Ok(bytes) => {
                    assert!(!bytes.is_empty());
                    for found in bytes {
                        assert_eq!(found, byte(position), "another byte at {position}");
                        position += 1;
                    }
                }
                Err(_) => break,
            }
        }
    }
    drop(interest);
}

fn check(room: u64, viewers: &'static [u64], faults: &'static [u64]) {
    shuttle::check_random(
        move || {
            let blocks = Arc::new(Blocks::new(room, BLOCK));
            let calls = Arc::new(AtomicUsize::new(0));
            let faults = Arc::new(Mutex::new(faults.to_vec()));
            let threads: Vec<_> = viewers
                .iter()
                .map(|&leaves_after| {
                    let (blocks, faults) = (Arc::clone(&blocks), Arc::clone(&faults));
                    let calls = Arc::clone(&calls);
                    thread::spawn(move || view(&blocks, &faults, &calls, leaves_after))
                })
                .collect();
            for thread in threads {
                thread.join().expect("a viewer");
            }
            let figures = blocks.figures();
            assert!(figures.held <= room, "{figures:?}");
        },
        2000,
    );
}

#[test]
fn viewers_of_one_film_read_its_bytes_in_every_order_of_threads() {
    check(64, &[LENGTH, LENGTH, 5], &[]);
}

#[test]
fn a_run_that_breaks_off_wakes_all_and_is_begun_again() {
    check(64, &[LENGTH, LENGTH], &[3, 0, 5]);
}

#[test]
fn with_little_room_nothing_waits_for_ever_and_no_more_is_held() {
    check(8, &[LENGTH, LENGTH], &[2]);
}

#[test]
fn each_block_is_fetched_once_while_there_is_room() {
    shuttle::check_random(
        || {
            let blocks = Arc::new(Blocks::new(64, BLOCK));
            let calls = Arc::new(AtomicUsize::new(0));
            let none = Arc::new(Mutex::new(Vec::new()));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (blocks, none) = (Arc::clone(&blocks), Arc::clone(&none));
                    let calls = Arc::clone(&calls);
                    thread::spawn(move || view(&blocks, &none, &calls, LENGTH))
                })
                .collect();
            for thread in threads {
                thread.join().expect("a viewer");
            }
            let figures = blocks.figures();
            assert_eq!((figures.blocks, figures.held), (4, LENGTH));
            assert!(
                calls.load(Ordering::Relaxed) <= 4,
                "a block was fetched twice"
            );
        },
        2000,
    );
}
