#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("connection"), |input| fuzz::connection(input));
