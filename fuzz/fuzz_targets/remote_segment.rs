#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("remote_segment"), |input| fuzz::remote_segment(input));
