#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| s3reel_fuzz::laws::resource_patterns::hold(input));
