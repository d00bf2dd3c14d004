//! Figures that every answer changes: each thread counts for itself, and the sum is made when someone
//! asks. A figure that all threads write to goes from core to core with every answer, and there are a
//! dozen of them.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::local::LocalHistogram;
use prometheus::{Histogram, IntGauge};

use super::Counter;

/// Parts of a figure. More threads than these share some, which costs time and nothing else.
const PARTS: usize = 16;

/// What is written by one thread, alone in what a core fetches at once: two lines of 64 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part<T>(T);

/// One for each thread.
#[derive(Debug)]
struct Spread<T>([Part<T>; PARTS]);

impl<T> Spread<T> {
    fn new(mut make: impl FnMut() -> T) -> Self {
        Self(std::array::from_fn(|_| Part(make())))
    }

    /// That of this thread.
    fn mine(&self) -> &T {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        let [first, ..] = &self.0;
        let part = self.0.get(NUMBER.with(|number| number % PARTS));
        &part.unwrap_or(first).0
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|part| &part.0)
    }
}

/// Adds up what the threads have counted since it was done last.
trait Gather: Send + Sync {
    fn gather(&self);
}

/// All spread figures of one registry.
#[derive(Clone, Default)]
pub(super) struct SpreadFigures(Arc<Mutex<Vec<Arc<dyn Gather>>>>);

impl std::fmt::Debug for SpreadFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpreadFigures")
    }
}

impl SpreadFigures {
    /// Brings all sums up to date.
    pub(super) fn gather(&self) {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for figure in figures.iter() {
            figure.gather();
        }
    }

    /// A counter whose sum is `total`.
    pub(super) fn counter(&self, total: Counter) -> Arc<SpreadCounter> {
        self.add(SpreadCounter {
            total,
            parts: Spread::new(AtomicU64::default),
        })
    }

    /// A gauge whose sum is `total`.
    pub(super) fn gauge(&self, total: IntGauge) -> Arc<SpreadGauge> {
        self.add(SpreadGauge {
            total,
            parts: Spread::new(AtomicI64::default),
        })
    }

    /// A histogram whose sum is `total`.
    pub(super) fn histogram(&self, total: &Histogram) -> Arc<SpreadHistogram> {
        self.add(SpreadHistogram(Spread::new(|| Mutex::new(total.local()))))
    }

    fn add<T: Gather + 'static>(&self, figure: T) -> Arc<T> {
        let figure = Arc::new(figure);
        let known: Arc<dyn Gather> = Arc::<T>::clone(&figure);
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.push(known);
        figure
    }
}

/// A number that only grows.
#[derive(Debug)]
pub struct SpreadCounter {
    total: Counter,
    parts: Spread<AtomicU64>,
}

impl SpreadCounter {
    /// Counts one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Counts so many.
    pub fn inc_by(&self, more: u64) {
        self.parts.mine().fetch_add(more, Ordering::Relaxed);
    }
}

impl Gather for SpreadCounter {
    fn gather(&self) {
        for part in self.parts.all() {
            self.total.inc_by(part.swap(0, Ordering::Relaxed));
        }
    }
}

/// A number that grows and shrinks.
#[derive(Debug)]
pub struct SpreadGauge {
    total: IntGauge,
    parts: Spread<AtomicI64>,
}

impl SpreadGauge {
    /// One more.
    pub fn inc(&self) {
        self.parts.mine().fetch_add(1, Ordering::Relaxed);
    }

    /// One less, which may have been counted by another thread.
    pub fn dec(&self) {
        self.parts.mine().fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are now.
    #[must_use]
    pub fn get(&self) -> i64 {
        let parts = self.parts.all().map(|part| part.load(Ordering::Relaxed));
        parts.fold(0, i64::wrapping_add)
    }
}

impl Gather for SpreadGauge {
    fn gather(&self) {
        self.total.set(self.get());
    }
}

/// Times, by how long they are.
#[derive(Debug)]
pub struct SpreadHistogram(Spread<Mutex<LocalHistogram>>);

impl SpreadHistogram {
    /// Counts a time.
    pub fn observe(&self, seconds: f64) {
        let mine = self.0.mine().lock();
        mine.unwrap_or_else(PoisonError::into_inner)
            .observe(seconds);
    }
}

impl Gather for SpreadHistogram {
    fn gather(&self) {
        for part in self.0.all() {
            part.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::HistogramOpts;
    use std::thread;

    #[test]
    fn what_threads_count_is_summed_up_once() {
        let figures = SpreadFigures::default();
        let counter = Counter::new("c", "c").unwrap();
        let gauge = IntGauge::new("g", "g").unwrap();
        let options = HistogramOpts::new("h", "h").buckets(vec![1.0, 2.0]);
        let histogram = Histogram::with_opts(options).unwrap();
        let counts = figures.counter(counter.clone());
        let level = figures.gauge(gauge.clone());
        let times = figures.histogram(&histogram);
        thread::scope(|scope| {
            // More than there are parts.
            for _ in 0..2 * PARTS {
                scope.spawn(|| {
                    counts.inc();
                    counts.inc_by(2);
                    level.inc();
                    times.observe(1.5);
                });
            }
        });
        level.dec();
        for _ in 0..2 {
            figures.gather();
            assert_eq!(counter.get(), 96);
            assert_eq!(gauge.get(), 31);
            assert_eq!(level.get(), 31);
            assert_eq!(histogram.get_sample_count(), 32);
            assert!((histogram.get_sample_sum() - 48.0).abs() < 1e-9);
        }
        counts.inc();
        figures.gather();
        assert_eq!(counter.get(), 97);
    }
}
