//! Fuzz target: any bytes as a config.json. Reading them gives a specification or an error that is fit to be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use teu::runtime::{read_process, read_spec};

fuzz_target!(|bytes: &[u8]| {
    for error in [read_spec(bytes).err(), read_process(bytes).err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty());
    }
    // What was understood is understood again when it is written down, as teu does with its records.
    if let Ok(read) = read_spec(bytes) {
        let text = serde_json::to_vec(&read.spec).expect("JSON");
        read_spec(&text).expect("the same specification");
    }
});
