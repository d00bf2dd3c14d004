#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| s3reel_fuzz::laws::base64_variant::hold(input));
