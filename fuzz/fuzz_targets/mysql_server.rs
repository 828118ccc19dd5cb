#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dbsonde::fuzz::mysql_server(bytes));
