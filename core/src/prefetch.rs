//! Tells the CPU what will be read soon. A lane's facility ids and a shard's readings lie at random places;
//! asked for some readings ahead, their cache lines are there in time.

#![expect(
    unsafe_code,
    reason = "a prefetch is an intrinsic on a pointer; measured with the default scenario: a third of lane and shard"
)]

/// Asks for the cache line of a place; nothing happens if there is none.
#[inline(always)]
pub(crate) fn prefetch<T>(items: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(place) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and never faults; the pointer comes from a reference.
        unsafe { _mm_prefetch(std::ptr::from_ref(item).cast(), _MM_HINT_T0) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, place);
}
