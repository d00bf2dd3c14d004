//! Work that blocks, away from the workers and bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How many threads may be in the file system for one origin at once. One that hangs, as network file
/// systems do, takes no more than these; others have their own.
const MOST_AT_ONCE: usize = 64;

/// The places of one origin. Clones share them.
#[derive(Debug, Clone)]
pub struct BlockingPlaces(Arc<Semaphore>);

impl Default for BlockingPlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_AT_ONCE)))
    }
}

impl BlockingPlaces {
    /// Runs `work` on the pool for blocking work, and waits so long for a place and its end together.
    /// Dropping the future leaves it to end by itself, in its place.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when that was too short.
    pub async fn run<T, F>(&self, limit: Duration, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let places = Arc::clone(&self.0);
        let done = async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let ran = spawn_blocking(move || {
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
    async fn a_file_system_that_hangs_takes_no_more_than_its_places() {
        let places = BlockingPlaces::default();
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let short = Duration::from_millis(50);
        let stuck: Vec<_> = (0..MOST_AT_ONCE)
            .map(|_| {
                let (places, hang) = (places.clone(), Arc::clone(&hang));
                tokio::spawn(async move {
                    places
                        .run(short, move || {
                            let _ = hang.lock().map(|hang| hang.recv());
                        })
                        .await
                })
            })
            .collect();
        for one in stuck {
            assert_eq!(
                one.await.unwrap().unwrap_err().kind(),
                io::ErrorKind::TimedOut
            );
        }
        // Nothing of this origin gets through, and nothing more is started for it.
        let more = places.run(short, || ()).await;
        assert_eq!(more.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(BlockingPlaces::default().run(short, || ()).await.is_ok());
        drop(release);
        let patience = Duration::from_secs(20);
        assert!(places.run(patience, || ()).await.is_ok());
    }
}
