//! Viewers that pause or are slow: what is held for them is given back or given up after a while.
//!
//! A player that has buffered enough stops reading and keeps its connection. The server notices
//! only that it need not ask the body for more, and a timer inside the body would not be polled
//! either. So each worker looks over its long bodies now and then.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_web::rt::{spawn, time::sleep};

use super::object_body::{EARLY_HOLD, ObjectContent};

/// The bodies of one worker that may be paused.
#[derive(Default)]
pub struct Pauses {
    watched: RefCell<Vec<Weak<RefCell<ObjectContent>>>>,
}

/// Rounds of the watch while the shortest hold passes: a pause is noticed at most a quarter late.
const ROUNDS_PER_HOLD: u32 = 4;

impl Pauses {
    /// Starts a watch on this worker's thread. It ends when nobody holds it any more.
    #[must_use]
    pub fn start(hold: Duration) -> Rc<Self> {
        let pauses = Rc::new(Self::default());
        let watch = Rc::downgrade(&pauses);
        spawn(async move {
            loop {
                sleep(hold.min(EARLY_HOLD) / ROUNDS_PER_HOLD).await;
                let Some(pauses) = watch.upgrade() else {
                    return;
                };
                pauses.look(hold);
            }
        });
        pauses
    }

    /// Watches a body until it is dropped.
    pub fn watch(&self, body: &Rc<RefCell<ObjectContent>>) {
        self.watched.borrow_mut().push(Rc::downgrade(body));
    }

    fn look(&self, hold: Duration) {
        self.watched.borrow_mut().retain(|body| {
            let Some(body) = body.upgrade() else {
                return false;
            };
            // It is borrowed only while it is polled, and nothing is polled now.
            if let Ok(mut body) = body.try_borrow_mut() {
                body.look(hold);
            }
            true
        });
    }
}
