//! Mutates the bytes of a fetched partition. `scripts/fuzz` runs it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wellstream_wire::batch::{Aborted, Batches, Crc, Unpacker};

fuzz_target!(|input: &[u8]| {
    // Small, so that what claims to be large is refused at once.
    let mut unpacker = Unpacker::new(1 << 20);
    let mut aborted = Aborted::new([(0, 0), (1, 10)]);
    for batch in Batches::new(input, Crc::Trusted).flatten() {
        let _ = aborted.judge(&batch);
        let Ok(records) = batch.records(&mut unpacker) else { continue };
        for record in records.flatten() {
            assert!((batch.base_offset()..batch.next_offset()).contains(&record.offset));
            assert!(record.headers.count() <= wellstream_wire::limits::HEADERS_MAX);
        }
    }
});
