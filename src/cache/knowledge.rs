//! What is known of an object and who told it, or the wait until someone does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::directory::{Known, Landing};
use super::engine::internal;
use crate::object::ObjectKey;
use crate::storage::ReadError;

/// With what S3 is asked about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// `HeadObject`: no bytes are wanted, or not known which.
    Head,
    /// A read of the block that has this position, whose bytes are wanted next.
    Read(u64),
}

/// What is known of an object, and from where.
pub struct Knowledge {
    /// What is known.
    pub known: Arc<Known>,
    /// Whose question told.
    pub told: Told,
    /// How long ago S3 was asked.
    pub age: Duration,
}

impl Knowledge {
    /// Something that is known.
    #[must_use]
    pub const fn new(known: Arc<Known>, told: Told, age: Duration) -> Self {
        Self { known, told, age }
    }
}

/// What a look for an object comes to.
pub enum Look {
    /// It is known, or known not to be there.
    Known(Result<Knowledge, ReadError>),
    /// S3 has been asked.
    Waits(Waiting),
}

/// A question to S3 that has been asked. Dropping it gives that up unless others wait too.
pub struct Waiting {
    answer: watch::Receiver<Landing>,
    told: Told,
}

impl Waiting {
    /// For the answer to a question.
    #[must_use]
    pub const fn new(answer: watch::Receiver<Landing>, told: Told) -> Self {
        Self { answer, told }
    }

    /// Waits for what S3 says of `key`, which was asked for.
    ///
    /// # Errors
    /// What S3 said instead.
    pub async fn answer(mut self, key: &ObjectKey) -> Result<Knowledge, ReadError> {
        let landed = self.answer.wait_for(Option::is_some).await;
        let landed = landed.ok().and_then(|landed| landed.clone());
        match landed {
            Some(Ok(known)) => {
                let age = known.learned.elapsed();
                Ok(Knowledge::new(known, self.told, age))
            }
            Some(Err(why)) => Err(ReadError::shared(&why)),
            None => Err(internal(format!("a question about {key} was given up"))),
        }
    }
}

/// Whose question told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was known.
    Before,
    /// S3 was asked for this request, with this.
    Asked(Opening),
    /// S3 was being asked for another one.
    Along,
}
