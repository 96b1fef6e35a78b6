//! Bytes that are known to be ASCII, as text.
//!
//! Names and states are short ASCII, so one look at sixteen bytes tells, and the strict check of the standard
//! library is left for the rest. It costs some 95 instructions a text, four or three texts a reading; this
//! costs 8. It is the one place of the core that needs `unsafe`: a `&str` out of bytes that were checked by
//! other code than the standard library's.

#![expect(unsafe_code, reason = "text from bytes checked here: 4 texts a well, 95 instructions each less")]

/// The first `length` bytes of `from` as text, if they are within sixteen and ASCII, and `from` has sixteen.
#[inline(always)]
pub(super) fn ascii_at_front(from: &[u8], length: usize) -> Option<&str> {
    let window = from.first_chunk::<WINDOW>()?;
    // `get` cannot fail, and says so to the compiler.
    let text = from.get(..length.min(WINDOW))?;
    let is_ascii = length <= WINDOW && high_bits(window) & ((1 << length) - 1) == 0;
    // SAFETY: `text` is the first `length` bytes of `window`, and none of these has its high bit set.
    is_ascii.then(|| unsafe { std::str::from_utf8_unchecked(text) })
}

/// The last `length` bytes of `to` as text, if they are within sixteen and ASCII, and `to` has sixteen.
#[inline(always)]
pub(super) fn ascii_at_back(to: &[u8], length: usize) -> Option<&str> {
    let window = to.last_chunk::<WINDOW>()?;
    let first = to.len().checked_sub(length.min(WINDOW))?;
    let text = to.get(first..)?;
    let is_ascii = length <= WINDOW && high_bits(window) >> (WINDOW - length) == 0;
    // SAFETY: `text` is the last `length` bytes of `window`, and none of these has its high bit set.
    is_ascii.then(|| unsafe { std::str::from_utf8_unchecked(text) })
}

/// All of `bytes` as text, if they are more than sixteen and ASCII.
#[inline]
pub(super) fn long_ascii(bytes: &[u8]) -> Option<&str> {
    let last = bytes.last_chunk::<WINDOW>()?;
    let windows = bytes.as_chunks::<WINDOW>().0;
    let high_bits = windows.iter().fold(high_bits(last), |bits, window| bits | high_bits(window));
    // SAFETY: whole windows from the front and the last window cover `bytes`; no byte has its high bit set.
    (high_bits == 0).then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// Bytes that are looked at at once.
const WINDOW: usize = 16;

/// The high bit of each byte, the first byte's lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn high_bits(window: &[u8; WINDOW]) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: every x86-64 has SSE2, and sixteen bytes are read from a reference to sixteen bytes.
    let mask = unsafe { _mm_movemask_epi8(_mm_loadu_si128(window.as_ptr().cast::<__m128i>())) };
    mask.cast_unsigned()
}

/// The high bit of each byte, the first byte's lowest.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn high_bits(window: &[u8; WINDOW]) -> u32 {
    portable_high_bits(window)
}

/// The same on any machine: eight high bits are gathered by a multiplication.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn portable_high_bits(window: &[u8; WINDOW]) -> u32 {
    let (halves, _) = window.as_chunks::<8>();
    let [low, high] = [halves[0], halves[1]].map(|half| {
        let bits = (u64::from_le_bytes(half) & 0x8080_8080_8080_8080) >> 7;
        bits.wrapping_mul(0x0102_0408_1020_4080).to_be_bytes()[0]
    });
    u32::from(low) | u32::from(high) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window with this byte at each place, among ASCII and among others.
    fn windows() -> impl Iterator<Item = [u8; WINDOW]> {
        (0..WINDOW).flat_map(|place| {
            (0..=u8::MAX).flat_map(move |byte| {
                [b'a', 0x7F, 0x80, 0xC3].map(|around| {
                    let mut window = [around; WINDOW];
                    window[place] = byte;
                    window
                })
            })
        })
    }

    #[test]
    fn differential_high_bits_are_each_bytes_own() {
        for window in windows() {
            let expected: u32 = (0..WINDOW).map(|i| u32::from(window[i] >> 7) << i).sum();
            assert_eq!(high_bits(&window), expected, "{window:?}");
            assert_eq!(portable_high_bits(&window), expected, "{window:?}");
        }
    }

    #[test]
    fn differential_what_is_taken_for_ascii_is() {
        for window in windows() {
            for length in 0..=WINDOW + 3 {
                let (front, back) = (window.get(..length), window.get(WINDOW.wrapping_sub(length)..));
                for (bytes, read) in
                    [(front, ascii_at_front(&window, length)), (back, ascii_at_back(&window, length))]
                {
                    let expected = bytes.filter(|bytes| bytes.is_ascii());
                    assert_eq!(read.map(str::as_bytes), expected, "{length} of {window:?}");
                }
            }
        }
        assert_eq!(ascii_at_front(&[b'a'; WINDOW - 1], 3), None);
        assert_eq!(ascii_at_back(&[b'a'; WINDOW - 1], 3), None);
        assert_eq!(ascii_at_back(b"0123456789abcdefgh", 2), Some("gh"));
        assert_eq!(ascii_at_front(b"0123456789abcdefgh", 2), Some("01"));
    }

    #[test]
    fn differential_longer_texts_are_looked_at_throughout() {
        for length in 0..70 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(long_ascii(&bytes).map(str::len), (length >= WINDOW).then_some(length));
            for place in 0..length {
                bytes[place] = 0x80;
                assert_eq!(long_ascii(&bytes), None);
                bytes[place] = b'x';
            }
        }
    }
}
