//! The manual: prose that is compiled with the code, so that its links stay true.

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("semantics.md")]
pub mod semantics {}
#[doc = include_str!("playing.md")]
pub mod playing {}
#[doc = include_str!("configuration.md")]
pub mod configuration {}
#[doc = include_str!("origins.md")]
pub mod origins {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("operating.md")]
pub mod operating {}
#[doc = include_str!("checking.md")]
pub mod checking {}
#[doc = include_str!("decisions.md")]
pub mod decisions {}
#[doc = include_str!("performance.md")]
pub mod performance {}
