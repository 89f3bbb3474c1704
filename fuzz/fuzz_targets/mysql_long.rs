#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("mysql_long"), |input| fuzz::mysql::long(input));
