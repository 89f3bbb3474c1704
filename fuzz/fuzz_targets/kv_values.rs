#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("kv_values"), |input| fuzz::kv_values(input));
