#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start("mysql_login"), |input| fuzz::mysql::login(input));
