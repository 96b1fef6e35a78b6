//! A vector of borrowed records that is used again: its memory outlives the borrows that it held.

use wellstream_core::record::Record;

/// Memory for the slices of records shown to a visitor.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memory: Vec<Record<'static>>,
}

impl Scratch {
    /// The memory, empty, for records of any lifetime.
    pub(crate) fn take<'a>(&mut self) -> Vec<Record<'a>> {
        std::mem::take(&mut self.memory)
    }

    /// Gives the memory back. The records in it are forgotten.
    pub(crate) fn give_back(&mut self, mut records: Vec<Record<'_>>) {
        records.clear();
        // Collecting an emptied vector into its own memory changes the lifetime without unsafe code.
        self.memory = records.into_iter().map_while(|_| None).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_across_borrows() {
        let mut scratch = Scratch::default();
        let mut records = scratch.take();
        let bytes = vec![1_u8, 2];
        records.extend((0..100).map(|offset| Record {
            offset,
            timestamp_ms: 0,
            key: None,
            value: Some(&bytes),
        }));
        let (place, capacity) = (records.as_ptr().addr(), records.capacity());
        scratch.give_back(records);
        drop(bytes);
        let again = scratch.take();
        assert!(again.is_empty());
        assert_eq!((again.as_ptr().addr(), again.capacity()), (place, capacity));
    }
}
