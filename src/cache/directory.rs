//! What is known of objects without their bytes, and for how long that is believed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::eviction::{Fate, Fifo, MOST_USES};
use super::identity::ObjectIdentity;
use crate::object::{ObjectKey, Representation};
use crate::storage::{Fault, ReadError, ReadErrorKind};

/// Keys of all origins that are known at once. Each costs about a kilobyte.
pub const MOST_KNOWN: usize = 16 * 1024;

/// Longest that a key is believed not to be there: whoever has just stored it wants to see it.
const NOT_HERE: Duration = Duration::from_secs(1);

/// How long S3 is not asked again after it failed to say whether something old still holds.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What is known of one object.
#[derive(Debug)]
pub struct Known {
    /// As S3 tells it.
    pub representation: Arc<Representation>,
    /// What its blocks are kept under; none without a strong tag.
    pub identity: Option<ObjectIdentity>,
    /// When S3 was asked.
    pub learned: Instant,
}

/// How a question to S3 ended, for all who wait for it.
pub type Landing = Option<Result<Arc<Known>, Arc<ReadError>>>;

/// What the directory says of a key.
pub enum Entry {
    /// It is known, and believed; and how long ago S3 said so.
    Fresh(Arc<Known>, Duration),
    /// It is not there, or was not a moment ago.
    NotHere(Arc<ReadError>),
    /// Someone asks S3 at this moment.
    Asked(watch::Receiver<Landing>),
    /// S3 has to be asked, by whoever gets this.
    Ask(Question),
}

/// A question to S3 that is to be asked. Others who want to know wait for it; dropping it tells them
/// that it was given up.
pub struct Question {
    /// What was known, too old to be believed.
    pub old: Option<Arc<Known>>,
    /// Who waits.
    pub waiting: watch::Sender<Landing>,
    /// What those do who asked it.
    pub answer: watch::Receiver<Landing>,
    /// When it was begun: what it tells was so at that time or later.
    pub begun: Instant,
}

/// All keys of an origin that are known.
pub struct Directory {
    ttl: Duration,
    stale_if_error: Duration,
    most: usize,
    entries: Mutex<Entries>,
}

struct Entries {
    known: HashMap<ObjectKey, Slot>,
    queue: Fifo<ObjectKey>,
    asked: HashMap<ObjectKey, watch::Receiver<Landing>>,
}

struct Slot {
    what: What,
    uses: u8,
}

enum What {
    Here {
        known: Arc<Known>,
        /// S3 is not asked before this, since it has just failed.
        not_before: Option<Instant>,
    },
    NotHere {
        why: Arc<ReadError>,
        until: Instant,
    },
}

impl Directory {
    /// Knows nothing. What it learns is believed for `ttl`, and if S3 cannot be asked then, for
    /// `stale_if_error` longer. It knows `most` keys at once.
    #[must_use]
    pub fn new(ttl: Duration, stale_if_error: Duration, most: usize) -> Self {
        Self {
            ttl,
            stale_if_error,
            most,
            entries: Mutex::new(Entries {
                known: HashMap::new(),
                queue: Fifo::new(u64::try_from(most).unwrap_or(u64::MAX)),
                asked: HashMap::new(),
            }),
        }
    }

    /// What is known of a key.
    pub fn look(&self, key: &ObjectKey) -> Entry {
        let mut entries = self.entries();
        let now = Instant::now();
        let mut old = None;
        if let Some(slot) = entries.known.get_mut(key) {
            slot.uses = slot.uses.saturating_add(1).min(MOST_USES);
            match &slot.what {
                What::Here { known, not_before } => {
                    let age = now.duration_since(known.learned);
                    if age < self.ttl || not_before.is_some_and(|until| now < until) {
                        return Entry::Fresh(Arc::clone(known), age);
                    }
                    old = Some(Arc::clone(known));
                }
                What::NotHere { why, until } if now < *until => {
                    return Entry::NotHere(Arc::clone(why));
                }
                What::NotHere { .. } => {}
            }
        }
        // A question that is on its way was begun before this request. That is within the time that
        // its answer is believed, unless that is none at all.
        let asked = entries.asked.get(key).filter(|_| !self.ttl.is_zero());
        if let Some(asked) = asked {
            return Entry::Asked(asked.clone());
        }
        let (waiting, answer) = watch::channel(None);
        if !self.ttl.is_zero() {
            entries.asked.insert(key.clone(), answer.clone());
        }
        Entry::Ask(Question {
            old,
            waiting,
            answer,
            begun: now,
        })
    }

    /// What is known of a key, however old, if it is of the version that a read has to be of.
    #[must_use]
    pub fn any(&self, key: &ObjectKey) -> Option<Arc<Known>> {
        match &self.entries().known.get(key)?.what {
            What::Here { known, .. } => Some(Arc::clone(known)),
            What::NotHere { .. } => None,
        }
    }

    /// S3 has answered a question, or failed to. What is told to those who wait comes back: that can
    /// be what was known before.
    ///
    /// # Errors
    /// Why S3 did not answer, if nothing older may be told.
    pub fn learn(
        &self,
        key: &ObjectKey,
        old: Option<&Arc<Known>>,
        outcome: Result<Known, ReadError>,
    ) -> Result<Arc<Known>, Arc<ReadError>> {
        let mut entries = self.entries();
        entries.asked.remove(key);
        let now = Instant::now();
        match outcome {
            Ok(known) => {
                let known = Arc::new(known);
                if !self.ttl.is_zero() {
                    let what = What::Here {
                        known: Arc::clone(&known),
                        not_before: None,
                    };
                    entries.put(self.most, key, what);
                }
                Ok(known)
            }
            Err(error) => {
                let patience = self.ttl.saturating_add(self.stale_if_error);
                let can_stay = old.filter(|old| {
                    error.kind.fault() == Fault::Upstream
                        && !self.stale_if_error.is_zero()
                        && now.duration_since(old.learned) < patience
                });
                if let Some(old) = can_stay {
                    log::info!("{key} is told as it was known, since S3 cannot be asked: {error}");
                    let what = What::Here {
                        known: Arc::clone(old),
                        not_before: Some(now + AFTER_FAILURE),
                    };
                    entries.put(self.most, key, what);
                    return Ok(Arc::clone(old));
                }
                let why = Arc::new(error);
                match why.kind {
                    ReadErrorKind::NotFound | ReadErrorKind::DeniedOrMissing => {
                        let what = What::NotHere {
                            why: Arc::clone(&why),
                            until: now + NOT_HERE.min(self.ttl),
                        };
                        entries.put(self.most, key, what);
                    }
                    kind if kind.fault() != Fault::Upstream => entries.remove(key),
                    _ => {}
                }
                Err(why)
            }
        }
    }

    /// A question was given up by all who asked it.
    pub fn given_up(&self, key: &ObjectKey) {
        self.entries().asked.remove(key);
    }

    /// Forgets a key.
    pub fn forget(&self, key: &ObjectKey) {
        self.entries().remove(key);
    }

    /// Forgets a key if what is known of it is this version, which has turned out to be gone.
    pub fn forget_version(&self, identity: &ObjectIdentity) {
        let mut entries = self.entries();
        let is_it = entries.known.get(identity.key()).is_some_and(|slot| {
            matches!(&slot.what, What::Here { known, .. } if known.identity.as_ref() == Some(identity))
        });
        if is_it {
            entries.remove(identity.key());
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing panics while holding it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remove(&mut self, key: &ObjectKey) {
        if self.known.remove(key).is_some() {
            self.queue.forget(|queued| queued == key);
        }
    }

    fn put(&mut self, most: usize, key: &ObjectKey, what: What) {
        if let Some(slot) = self.known.get_mut(key) {
            slot.what = what;
            return;
        }
        while self.known.len() >= most {
            let Self { known, queue, .. } = self;
            let gone = queue.evict(|key| match known.get_mut(key) {
                Some(slot) => Fate::Used(std::mem::take(&mut slot.uses)),
                None => Fate::Gone,
            });
            match gone {
                Some(gone) => known.remove(&gone),
                None => break,
            };
        }
        self.known.insert(key.clone(), Slot { what, uses: 0 });
        self.queue.insert(key.clone(), 1);
    }
}
