//! The reader over a folder of this machine.
//!
//! [`folder`] opens files of one folder and nothing outside it, and says which version of a file is
//! open; [`reader`] turns reads into that, on the pool for blocking work; [`body`] streams a piece at a
//! time; [`lister`] lists; [`error`] is the one door for what the file system says.

pub mod body;
pub mod error;
pub mod folder;
pub mod lister;
pub mod pool;
pub mod reader;

pub use folder::names_a_file;
pub use reader::{FileConfig, FileReader, FolderPath, FolderPathError, SharedFolder};
