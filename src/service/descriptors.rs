//! File descriptors, allotted so that they do not run out.
//!
//! Each viewer's connection takes one and each answer in flight one more, for its connection to S3 or the
//! file that it is sent from; with a disk tier, files that are kept open have a share of their own.
//! When a process has none left it can neither accept nor read, and nothing it could say about that
//! gets out.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors for everything that is no connection of a viewer's and no read for one: log,
/// listeners, the admin's connections, idle connections to S3, a pipe for each worker.
const OURS: u64 = 256;

/// Raises the process's soft limit to the hard one, which is what it is there for: the soft limit is
/// 1024 nearly everywhere for the sake of programs that use `select`. Told in the log if it fails.
pub fn raise() {
    let mut limits = getrlimit(Resource::Nofile);
    if limits.current == limits.maximum {
        return;
    }
    limits.current = limits.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limits) {
        log::warn!("the limit on file descriptors could not be raised: {error}");
    }
}

/// How many descriptors this process may have at once; `u64::MAX` without a limit.
#[must_use]
pub fn allowed() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Most blocks on disk whose files are kept open.
const MOST_FILES: u64 = 16 * 1024;

/// How many of `allowed` descriptors blocks on disk may take: an eighth.
#[must_use]
pub fn of_blocks(allowed: u64) -> u64 {
    (allowed / 8).min(MOST_FILES)
}

/// What viewers may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// Connections of viewers in each worker.
    pub connections: usize,
    /// Answers with objects in flight, in all workers.
    pub streams: usize,
}

/// Most connections that a worker takes. What idle ones cost in memory is not worth more.
const CONNECTIONS_OF_A_WORKER: u64 = 25_600;

impl Allotment {
    /// Allots `allowed` descriptors: a third at most for reads from S3, the rest for connections
    /// of viewers, so that each stream has its own and as many again may be idle.
    #[must_use]
    pub fn of(allowed: u64, streams: usize, workers: usize) -> Self {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let free = allowed.saturating_sub(OURS.min(allowed / 4));
        let streams = count(streams).min((free / 3).max(1));
        let connections = (free.saturating_sub(streams) / count(workers).max(1))
            .clamp(1, CONNECTIONS_OF_A_WORKER);
        let back = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            connections: back(connections),
            streams: back(streams),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_add_up_to_more_than_is_allowed() {
        for allowed in [16, 64, 256, 1024, 4096, 20_000, 1 << 20, u64::MAX] {
            for (streams, workers) in [(1, 1), (4000, 2), (4000, 64), (1_000_000, 512)] {
                let allotment = Allotment::of(allowed, streams, workers);
                assert!(allotment.streams >= 1 && allotment.streams <= streams);
                assert!(allotment.connections >= 1);
                let connections = allotment.connections * workers;
                // With more workers than descriptors each has one all the same.
                if u64::try_from(workers).unwrap() * 4 < allowed {
                    let sum = u64::try_from(connections + allotment.streams).unwrap();
                    assert!(
                        sum <= allowed,
                        "{allowed} {streams} {workers}: {allotment:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn blocks_on_disk_leave_most_to_viewers() {
        for allowed in [0, 64, 1024, 20_000, 1 << 20, u64::MAX] {
            let of_blocks = of_blocks(allowed);
            assert!(of_blocks <= allowed / 8 && of_blocks <= MOST_FILES);
        }
        assert_eq!(of_blocks(1024), 128);
    }

    #[test]
    fn what_is_asked_for_is_given_where_it_fits() {
        assert_eq!(Allotment::of(1 << 20, 4000, 2).streams, 4000);
        assert_eq!(Allotment::of(1024, 4000, 2).streams, 256);
        assert_eq!(Allotment::of(1024, 4000, 2).connections, 256);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        raise();
        let limits = getrlimit(Resource::Nofile);
        assert_eq!(limits.current, limits.maximum);
        assert!(allowed() >= 64);
    }
}
