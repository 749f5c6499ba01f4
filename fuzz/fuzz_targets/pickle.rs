//! The target `pickle`, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(init: moescope_fuzz::keep_caught_panics(), |bytes: &[u8]| {
    moescope_fuzz::targets::pickle(bytes);
});
