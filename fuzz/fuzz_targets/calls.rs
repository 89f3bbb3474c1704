#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("calls"), |input| fuzz::calls(input));
