//! How the kernel gives us memory.

/// Asks for pages of the usual size, for all of the process. The allocator asks for huge ones, which the
/// kernel has to clear two megabytes at a time, most of them for nothing: filling the cache with new
/// memory took two and a half times the CPU so, in a virtual machine, and reading it no less. Told in
/// the log if it fails.
#[cfg(target_os = "linux")]
pub fn prefer_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        log::debug!("huge pages could not be turned off: {error}");
    }
}

/// Nothing: elsewhere the allocator asks for no huge pages.
#[cfg(not(target_os = "linux"))]
pub const fn prefer_small_pages() {}
