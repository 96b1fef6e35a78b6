//! Bytes that are known to be ASCII, as text.
//!
//! Names and states are short ASCII, so one look at sixteen bytes tells, and the strict check of the standard
//! library is left for the rest. It costs some 95 instructions a text, four or three texts a reading; this
//! costs 8. It is the one place of the core that needs `unsafe`: a `&str` out of bytes that were checked by
//! other code than the standard library's.

#![expect(unsafe_code, reason = "text from bytes checked here: 4 texts a well, 95 instructions each less")]

/// Length and text at the front of `rest`, and what is left behind them; if the text is ASCII of up to
/// sixteen bytes, and `rest` has sixteen from its begin.
#[inline(always)]
pub(super) fn short_ascii(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (&[length, ref window @ ..], _) = rest.split_first_chunk::<{ 1 + WINDOW }>()?;
    let length = short_length(length)?;
    let is_ascii = high_bits(window) & ((1 << length) - 1) == 0;
    // SAFETY: the text is the first `length` bytes of `window`, and none of these has its high bit set.
    let text = is_ascii.then(|| unsafe { std::str::from_utf8_unchecked(&window[..length]) })?;
    Some((text, &rest[1 + length..]))
}

/// The same, if `body`, which ends with `rest`, has sixteen bytes up to the text's end.
#[inline(always)]
pub(super) fn short_ascii_near_end<'a>(body: &'a [u8], rest: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    let (&length, from) = rest.split_first()?;
    let length = short_length(length)?;
    let left = from.len().checked_sub(length)?;
    let window = body.get(..body.len().checked_sub(left)?)?.last_chunk::<WINDOW>()?;
    let is_ascii = high_bits(window) >> (WINDOW - length) == 0;
    let text = window.get(WINDOW - length..)?;
    // SAFETY: the text is the last `length` bytes of `window`, and none of these has its high bit set.
    let text = is_ascii.then(|| unsafe { std::str::from_utf8_unchecked(text) })?;
    Some((text, from.get(length..)?))
}

/// A length of one byte, if it is within a window: neither negative nor longer.
#[inline(always)]
fn short_length(byte: u8) -> Option<usize> {
    // The sign goes to the top, so one comparison tells all.
    let length = usize::from(byte.rotate_right(1));
    (length <= WINDOW).then_some(length)
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
                let expected = window.get(..length).filter(|bytes| bytes.is_ascii());
                let mut front = vec![u8::try_from(2 * length).unwrap()];
                front.extend(window);
                front.push(9);
                let read = short_ascii(&front).map(|(text, rest)| (text.as_bytes(), rest));
                assert_eq!(read, expected.map(|text| (text, &front[1 + length..])), "{front:?}");

                let expected = window.get(WINDOW.wrapping_sub(length)..).filter(|bytes| bytes.is_ascii());
                let (before, text) = window.split_at(WINDOW.saturating_sub(length));
                let mut body = [&[7; 15], before, &[u8::try_from(2 * length).unwrap()], text].concat();
                let begin = 15 + before.len();
                body.push(9);
                let read = short_ascii_near_end(&body, &body[begin..]);
                let read = read.map(|(text, rest)| (text.as_bytes(), rest));
                assert_eq!(read, expected.map(|text| (text, &[9][..])), "{begin} in {body:?}");
            }
        }
    }

    #[test]
    fn what_is_short_of_bytes_or_no_length_is_left_to_others() {
        assert_eq!(short_ascii(b"\x06abc0123456789abc"), Some(("abc", &b"0123456789abc"[..])));
        assert_eq!(short_ascii(b"\x06abc0123456789ab"), None);
        for length in (0..=u8::MAX).filter(|length| length % 2 == 1 || *length > 32) {
            let body = [&[length][..], &[b'a'; 200]].concat();
            assert_eq!((short_ascii(&body), short_ascii_near_end(&body, &body)), (None, None), "{length}");
        }
        let body = b"0123456789ab\x06abc";
        assert_eq!(short_ascii_near_end(body, &body[12..]), Some(("abc", &[][..])));
        assert_eq!(short_ascii_near_end(&body[1..], &body[12..]), None);
        assert_eq!(short_ascii_near_end(&body[..15], &body[12..15]), None);
        assert_eq!(short_ascii_near_end(b"\x06abc", b"\x06abc"), None);
        assert_eq!(short_ascii_near_end(b"", b""), None);
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
