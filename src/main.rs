//! The program: everything is in the library.

use std::process::ExitCode;

/// Small requests cost about a tenth less CPU with it than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    s3reel::cli::run()
}
