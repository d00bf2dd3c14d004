//! What an embedded server has to serve.

use std::io;
use std::time::SystemTime;

use s3s::dto::StreamingBlob;

use super::directory::Directory;
use super::memory::Memory;
use super::paging::{Page, PageRequest};
use crate::semantics::InclRange;

/// A place that objects come from.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// Files of a folder.
    Directory(Directory),
    /// Things in memory.
    Memory(Memory),
}

/// What is told of an object without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Length in bytes.
    pub length: u64,
    /// Value of the entity tag, without quotes.
    pub etag: String,
    /// Time of the last change.
    pub modified: SystemTime,
    /// What was stored beside the bytes.
    pub metadata: Metadata,
}

/// The system metadata of S3 that an answer carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
}

/// An object whose bytes can be read.
pub trait Open: Send {
    /// What is told of it.
    fn entry(&self) -> &Entry;
    /// Its bytes in `range`, or none of them.
    fn bytes(self: Box<Self>, range: Option<InclRange>) -> StreamingBlob;
}

impl Shelf {
    /// Opens the object with this key; `None` if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn open(&self, key: &str) -> io::Result<Option<Box<dyn Open>>> {
        match self {
            Self::Directory(directory) => directory.open(key).await,
            Self::Memory(memory) => Ok(memory.open(key)),
        }
    }

    /// Lists one page of keys in order.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn list(&self, request: PageRequest) -> io::Result<Page> {
        match self {
            Self::Directory(directory) => directory.list(request).await,
            Self::Memory(memory) => Ok(memory.list(&request)),
        }
    }
}
