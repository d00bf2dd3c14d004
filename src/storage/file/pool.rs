//! Work that blocks, away from the workers and bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many threads may be in the file system for one origin at once, for reads and for listings. One
/// that hangs, as network file systems do, takes no more than these.
const READS: usize = 60;
const LISTINGS: usize = 4;

/// Threads of one origin and no other: in the pool of a worker's runtime a folder that hangs would hold up
/// other folders, and the resolving of names.
#[derive(Debug, Clone)]
pub struct BlockingPool {
    /// Bounds who waits for a thread; how long is bounded by whoever waits.
    reads: Arc<Semaphore>,
    listings: Arc<Semaphore>,
    threads: Arc<Threads>,
}

/// What work is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// An object, which a viewer waits for.
    Read,
    /// A listing, which can take long: it has few places, so that the others stay for reads.
    Listing,
}

/// A runtime for the sake of its pool for blocking work; nothing else runs on it.
#[derive(Debug)]
struct Threads {
    handle: Handle,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        // What still hangs is left to end by itself, and waiting is not allowed here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl BlockingPool {
    /// A pool. Its threads are started when they are needed and end when they are not.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(READS + LISTINGS)
            .thread_name("folder")
            .build()?;
        Ok(Self {
            reads: Arc::new(Semaphore::new(READS)),
            listings: Arc::new(Semaphore::new(LISTINGS)),
            threads: Arc::new(Threads {
                handle: runtime.handle().clone(),
                runtime: Some(runtime),
            }),
        })
    }

    /// Runs `work` on the pool for blocking work, and waits so long for a place and its end together.
    /// Dropping the future leaves it to end by itself, in its place.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when that was too short.
    pub async fn run<T, F>(&self, what: Work, limit: Duration, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let places = Arc::clone(match what {
            Work::Read => &self.reads,
            Work::Listing => &self.listings,
        });
        let done = async {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let ran = self.threads.handle.spawn_blocking(move || {
                let outcome = work();
                drop(place);
                outcome
            });
            ran.await.map_err(io::Error::other)
        };
        match timeout(limit, done).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_file_system_that_hangs_takes_no_more_than_its_threads() {
        let pool = BlockingPool::new().unwrap();
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let short = Duration::from_millis(50);
        let hangs = |what| {
            let (pool, hang) = (pool.clone(), Arc::clone(&hang));
            tokio::spawn(async move {
                let work = move || drop(hang.lock().map(|hang| hang.recv()));
                pool.run(what, short, work).await
            })
        };
        let timed_out = |outcome: io::Result<()>| {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        };
        let listing: Vec<_> = (0..LISTINGS).map(|_| hangs(Work::Listing)).collect();
        for one in listing {
            timed_out(one.await.unwrap());
        }
        timed_out(pool.run(Work::Listing, short, || ()).await);
        // Listings that hang leave reads alone.
        let patience = Duration::from_secs(20);
        assert!(pool.run(Work::Read, patience, || ()).await.is_ok());
        let reading: Vec<_> = (0..READS).map(|_| hangs(Work::Read)).collect();
        for one in reading {
            timed_out(one.await.unwrap());
        }
        // Nothing of this origin gets through, and nothing more is started for it; others are not held up,
        // nor is this runtime's own pool.
        timed_out(pool.run(Work::Read, short, || ()).await);
        let other = BlockingPool::new().unwrap();
        assert!(other.run(Work::Read, patience, || ()).await.is_ok());
        assert!(tokio::task::spawn_blocking(|| ()).await.is_ok());
        drop(release);
        assert!(pool.run(Work::Read, patience, || ()).await.is_ok());
    }
}
