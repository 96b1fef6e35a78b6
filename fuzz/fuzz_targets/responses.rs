//! Mutates a broker's answer to a fetch: its frame, and the batches in it. The first byte chooses the
//! version, the second how many records are taken at a time. `scripts/fuzz` runs it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wellstream_wire::fetch::{VERSION_MAX, VERSION_MIN, rehearse};

fuzz_target!(|input: &[u8]| {
    let [version, take, frame @ ..] = input else { return };
    let version = VERSION_MIN + i16::from(*version) % (VERSION_MAX - VERSION_MIN + 1);
    let take = usize::from(*take).max(1);
    let answer = rehearse(&frame.to_vec().into(), version, 5, take, &mut |_, record| {
        assert!(record.offset >= 5, "below where reading began");
        assert!(record.headers.clone().count() <= wellstream_wire::limits::HEADERS_MAX);
    });
    for end in answer.into_iter().flatten().flatten() {
        assert!(end >= 5);
    }
});
