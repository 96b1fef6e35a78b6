//! The vibration text of a well: base64 of UTF-8.
//!
//! Strict: the standard alphabet, padding required, its spare bits zero, no white space. What a stricter or a
//! laxer decoder would make of anything else differs from library to library, and a row must not.
//!
//! ```
//! use wellstream_core::score::vibration;
//! let mut out = Vec::new();
//! vibration::put_decoded(&mut out, Some("dmliX2RhdGFfeHl6"));
//! assert_eq!(out, b"vib_data_xyz");
//! ```

#[cfg(all(target_arch = "x86_64", target_feature = "sse4.1"))]
mod block;

/// Stands where the text is not base64 of UTF-8.
pub const DECODE_ERROR: &str = "DECODE_ERROR";

/// Stands where there is no text.
pub const MISSING: &str = "N/A";

/// Encoded texts up to this are decoded by table, bytes: the library's way with blocks begins above it.
pub(crate) const SHORT_BYTES_MAX: usize = 36;

/// Appends the decoded text: always UTF-8.
#[inline]
pub fn put_decoded(out: &mut Vec<u8>, encoded: Option<&str>) {
    let Some(encoded) = encoded else {
        out.extend_from_slice(MISSING.as_bytes());
        return;
    };
    let begin = out.len();
    // The decoder would reserve exactly what it needs, and so reallocate at every call.
    out.reserve(decoded_bytes_max(encoded));
    let is_base64 = base64_simd::STANDARD.decode_append(encoded, out).is_ok();
    if !is_base64 || !is_utf8(&out[begin..]) {
        out.truncate(begin);
        out.extend_from_slice(DECODE_ERROR.as_bytes());
    }
}

/// Whether decoded bytes are text.
#[inline]
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// The decoded text of up to [`SHORT_BYTES_MAX`] bytes of base64, and its length: four look-ups for three
/// bytes. `None` where it is not base64 of UTF-8, or longer.
#[inline(always)]
pub(crate) fn decode_short(encoded: &str) -> Option<([u8; SHORT_ROOM], usize)> {
    let (quads, odd) = encoded.as_bytes().as_chunks::<4>();
    if !odd.is_empty() || encoded.len() > SHORT_BYTES_MAX {
        return None;
    }
    // Texts of one block are the usual ones.
    #[cfg(all(target_arch = "x86_64", target_feature = "sse4.1"))]
    if let Some(text) = encoded.as_bytes().as_array::<16>().and_then(|letters| block::decode(*letters))
        && text.is_ascii()
    {
        let mut room = [0; SHORT_ROOM];
        room[..16].copy_from_slice(&text);
        return Some((room, 12));
    }
    let mut text = [0; SHORT_ROOM];
    let Some((last, whole)) = quads.split_last() else { return Some((text, 0)) };
    let (mut seen, mut length) = (0, 0);
    for &[a, b, c, d] in whole {
        let bits = look_up(0, a) | look_up(1, b) | look_up(2, c) | look_up(3, d);
        seen |= bits;
        text[length..length + 4].copy_from_slice(&bits.to_le_bytes());
        length += 3;
    }
    let (bits, bytes) = match *last {
        [a, b, b'=', b'='] => (look_up(0, a) | look_up(1, b), 1),
        [a, b, c, b'='] => (look_up(0, a) | look_up(1, b) | look_up(2, c), 2),
        [a, b, c, d] => (look_up(0, a) | look_up(1, b) | look_up(2, c) | look_up(3, d), 3),
    };
    // What the padding stands for, and the spare bits before it, must be zero.
    if (seen | bits) >> 24 != 0 || bits >> (8 * bytes) != 0 {
        return None;
    }
    text[length..length + 4].copy_from_slice(&bits.to_le_bytes());
    length += bytes;
    // Only what is not ASCII needs to be looked at.
    let is_text = (seen | bits) & 0x80_80_80 == 0 || std::str::from_utf8(&text[..length]).is_ok();
    is_text.then_some((text, length))
}

/// Room for what `SHORT_BYTES_MAX` bytes decode to, and a word's last byte.
const SHORT_ROOM: usize = 32;

/// The bits of a letter in its place among four, as the first three bytes of a word; the fourth is not zero
/// where it is no letter.
#[inline(always)]
fn look_up(place: usize, letter: u8) -> u32 {
    LETTERS[place][usize::from(letter)]
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static LETTERS: [[u32; 256]; 4] = {
    let mut letters = [[1 << 24; 256]; 4];
    let mut value = 0;
    while value < 64 {
        let (letter, bits) = (ALPHABET[value as usize] as usize, value);
        letters[0][letter] = bits << 2;
        letters[1][letter] = bits >> 4 | (bits & 15) << 12;
        letters[2][letter] = (bits >> 2) << 8 | (bits & 3) << 22;
        letters[3][letter] = bits << 16;
        value += 1;
    }
    letters
};

/// How long the decoded text is, if it is base64: three bytes for each four, less the padding.
#[inline]
pub(crate) fn decoded_bytes_max(encoded: &str) -> usize {
    let padding = encoded.bytes().rev().take(2).take_while(|&byte| byte == b'=').count();
    (encoded.len() / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: Option<&str>) -> String {
        let mut out = b"before ".to_vec();
        put_decoded(&mut out, encoded);
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn the_golden_texts() {
        assert_eq!(decoded(Some("dmliX2RhdGFfeHl6")), "vib_data_xyz");
        assert_eq!(decoded(None), "N/A");
        assert_eq!(decoded(Some("")), "");
        assert_eq!(decoded(Some("aGk=")), "hi");
        assert_eq!(decoded(Some("aA==")), "h");
        assert_eq!(decoded(Some("w6nDqQ==")), "éé");
    }

    #[test]
    fn what_is_not_strict_base64_of_utf8_is_an_error() {
        for encoded in [
            "aGk", "aGl=", "aA", "aG==", "a", "====", "=", "aGk=aGk=", " aGk=", "aGk=\n", "aG_k", "a-b_",
            "é===", "/w==", "gICA", "!!!!", "aGk\0",
        ] {
            assert_eq!(decoded(Some(encoded)), DECODE_ERROR, "{encoded:?}");
        }
    }

    #[test]
    fn differential_short_texts_are_decoded_as_the_library_does() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..200_000 {
            let bytes: Vec<u8> = (0..rng.usize(..30)).map(|_| rng.u8(..) & 0x7F).collect();
            let mut encoded = base64_simd::STANDARD.encode_to_string(bytes).into_bytes();
            if rng.bool() && !encoded.is_empty() {
                let place = rng.usize(..encoded.len());
                encoded[place] = if rng.bool() { rng.u8(..0x80) } else { *rng.choice(b"=/+Ag").unwrap() };
            }
            encoded.truncate(encoded.len() - rng.usize(..20).saturating_sub(15).min(encoded.len()));
            let encoded = String::from_utf8(encoded).unwrap();
            let expected = decoded(Some(&encoded));
            if encoded.len() > SHORT_BYTES_MAX {
                assert_eq!(decode_short(&encoded), None);
                continue;
            }
            match decode_short(&encoded) {
                Some((text, length)) => {
                    good += 1;
                    assert_eq!(&text[..length], expected.as_bytes(), "{encoded}");
                }
                None => {
                    bad += 1;
                    assert_eq!(expected, DECODE_ERROR, "{encoded}");
                }
            }
        }
        assert!(good > 10_000 && bad > 10_000, "{good} good, {bad} bad");
    }

    #[test]
    fn texts_of_every_length_come_back() {
        for length in 0..200 {
            let text: String = ('!'..='~').cycle().take(length).collect();
            let encoded = base64_simd::STANDARD.encode_to_string(&text);
            assert_eq!(decoded_bytes_max(&encoded), length);
            assert_eq!(decoded(Some(&encoded)), text);
        }
    }
}
