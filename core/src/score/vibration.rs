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

/// Stands where the text is not base64 of UTF-8.
pub const DECODE_ERROR: &str = "DECODE_ERROR";

/// Stands where there is no text.
pub const MISSING: &str = "N/A";

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
    if !is_base64 || std::str::from_utf8(&out[begin..]).is_err() {
        out.truncate(begin);
        out.extend_from_slice(DECODE_ERROR.as_bytes());
    }
}

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
    fn texts_of_every_length_come_back() {
        for length in 0..200 {
            let text: String = ('!'..='~').cycle().take(length).collect();
            let encoded = base64_simd::STANDARD.encode_to_string(&text);
            assert_eq!(decoded_bytes_max(&encoded), length);
            assert_eq!(decoded(Some(&encoded)), text);
        }
    }
}
