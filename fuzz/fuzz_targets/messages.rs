#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("messages"), |input| fuzz::messages(input));
