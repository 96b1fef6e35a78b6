//! An allocator that counts what its thread asks for, and itself takes some ten instructions each time: the
//! system's would take more or less by what lies free, which has nothing to do with the code that is counted.

#![expect(unsafe_code, reason = "only an allocator can count allocations, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{copy_nonoverlapping, null_mut};

/// What was asked for: calls, and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
}

impl Made {
    /// By this thread, since it began.
    pub(crate) fn so_far() -> Made {
        MADE.get()
    }

    /// Between an earlier call of `so_far` and now.
    pub(crate) fn since(earlier: Made) -> Made {
        let now = Made::so_far();
        Made { calls: now.calls - earlier.calls, bytes: now.bytes - earlier.bytes }
    }

    pub(crate) fn add(&mut self, more: Made) {
        self.calls += more.calls;
        self.bytes += more.bytes;
    }
}

/// Hands out lines of a chunk one behind the other, and takes nothing back: where a block lies, and what it
/// costs, hangs on the calls before it alone.
struct CountingAllocator;

thread_local! {
    // Neither their beginning nor their end allocates: constant, and nothing to drop.
    static MADE: Cell<Made> = const { Cell::new(Made { calls: 0, bytes: 0 }) };
    /// Where the chunk goes on, and how many bytes are left of it: whole lines.
    static CHUNK: Cell<(*mut u8, usize)> = const { Cell::new((null_mut(), 0)) };
}

fn count(bytes: usize) {
    let mut made = MADE.get();
    made.add(Made { calls: 1, bytes: bytes as u64 });
    MADE.set(made);
}

/// Zeroes: nothing was there before.
fn lines(layout: Layout) -> *mut u8 {
    if layout.align() > LINE {
        return null_mut();
    }
    let bytes = layout.size().next_multiple_of(LINE);
    let (mut at, mut left) = CHUNK.get();
    if bytes > left {
        left = bytes.max(CHUNK_BYTES);
        // Not aligned by the system, which would write all the zeroes.
        let Ok(chunk) = Layout::from_size_align(left + LINE, 1) else { return null_mut() };
        // SAFETY: its size is not zero.
        at = unsafe { System.alloc_zeroed(chunk) };
        if at.is_null() {
            return at;
        }
        // SAFETY: the chunk is a line longer than what is left of it.
        at = unsafe { at.add(at.align_offset(LINE)) };
    }
    // SAFETY: so many bytes are left of the chunk, or the end is just behind them.
    CHUNK.set((unsafe { at.add(bytes) }, left - bytes));
    at
}

// SAFETY: each block is `size` bytes of a chunk that no other block has or gets, at a line's start; a chunk
// is never given back.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        lines(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        lines(layout)
    }

    unsafe fn dealloc(&self, _at: *mut u8, _layout: Layout) {}

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        let Ok(wanted) = Layout::from_size_align(bytes, layout.align()) else { return null_mut() };
        let to = lines(wanted);
        if !to.is_null() {
            // SAFETY: both blocks have so many bytes, and they are two.
            unsafe { copy_nonoverlapping(at, to, layout.size().min(bytes)) };
        }
        to
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Two cache lines, what queues are padded to: every block begins at such a place, so that copies take the
/// same path every time. Nothing asks for more.
const LINE: usize = 128;
/// More than any count needs: memory that is not touched costs nothing.
const CHUNK_BYTES: usize = 1 << 30;
