#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("mysql_session"), |input| fuzz::mysql::session(input));
