#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("table_json"), |input| fuzz::table_json(input));
