//! See `haldane_inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| haldane_inputs::check("frames", data));
