//! Fuzz target: any bytes as a manifest, an index, a configuration. Each is read or refused in words fit to be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for text in teu::image::trial::documents(bytes) {
        assert!(!text.is_empty());
        assert!(!text.starts_with("registry trial sent garbage") || !text.chars().any(char::is_control), "{text:?}");
    }
});
