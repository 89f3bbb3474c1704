#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("log_batches"), |input| fuzz::log_batches(input));
