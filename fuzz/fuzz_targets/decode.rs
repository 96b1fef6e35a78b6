//! Mutates records, with the writer's schema as part of what is mutated. `scripts/fuzz` runs it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wellstream_fuzz::Harness;

static HARNESS: LazyLock<Harness> = LazyLock::new(Harness::new);

fuzz_target!(|input: &[u8]| {
    let _ = HARNESS.judge(input);
});
