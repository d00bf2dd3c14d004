//! The disk tier: blocks that outlive the process, and the memory that they had.
//!
//! A complete block is handed to a thread that writes it, off the way of every viewer; when that has too
//! much to do, the block is not kept. What is on disk is read when it is wanted, instead of from its
//! origin, off the workers too, and checked bit by bit; from then on the kernel has it, and can send it to
//! viewers by itself as long as it does and nobody writes to the file. What the kernel reads again in the
//! midst of a block is not checked again: there the medium is trusted. Whatever else is wrong with the
//! disk, viewers do not notice: the bytes come from the origin then, and a figure tells.

mod file;
mod index;
pub mod name;
mod shelf;
mod tier;

pub use name::BlockName;
pub use tier::{DiskConfig, DiskTier};
