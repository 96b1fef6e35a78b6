//! Values with units: spans of time, counts, points in time. Parsed from text, printed back as short as they
//! came.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wellstream_replay::schedule::{RATE_MAX, RATE_MIN};

/// A span of time in whole milliseconds: `100ms`, `30s`, `5m`, `1m30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span {
    ms: u32,
}

impl Span {
    /// The span in milliseconds.
    pub(crate) fn ms(self) -> i64 {
        i64::from(self.ms)
    }

    /// The span as the standard library's type.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.ms))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let bad = || {
            format!("{text:?} is not a span of time: write a number and ms, s, m or h, such as 100ms or 5m")
        };
        let mut rest = text.trim();
        let mut ms = 0.0;
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let (number, behind) = split_number(rest);
            let unit_end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
            let number: f64 = number.parse().map_err(|_| bad())?;
            let factor = match &behind[..unit_end] {
                "ms" => 1.0,
                "s" => 1e3,
                "m" | "min" => 6e4,
                "h" => 3.6e6,
                "" => {
                    return Err(format!("{text:?} has no unit: write {text}ms, {text}s, {text}m or {text}h"));
                }
                _ => return Err(bad()),
            };
            ms += number * factor;
            rest = &behind[unit_end..];
        }
        whole(ms, f64::from(u32::MAX))
            .map(|ms| Span { ms: u32::try_from(ms).unwrap_or(u32::MAX) })
            .ok_or_else(|| {
                format!("{text:?} is not a whole number of milliseconds of at most {}", Span { ms: u32::MAX })
            })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, ms) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if self.ms >= ms && self.ms.is_multiple_of(ms) {
                return write!(f, "{}{unit}", self.ms / ms);
            }
        }
        write!(f, "{}ms", self.ms)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Span, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

/// A span of time, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SpanOrOff(pub(crate) Option<Span>);

impl FromStr for SpanOrOff {
    type Err = String;

    fn from_str(text: &str) -> Result<SpanOrOff, String> {
        match text.trim() {
            "off" => Ok(SpanOrOff(None)),
            text => {
                text.parse().map(|span| SpanOrOff(Some(span))).map_err(|e: String| format!("{e}; or off"))
            }
        }
    }
}

impl TryFrom<String> for SpanOrOff {
    type Error = String;
    fn try_from(text: String) -> Result<SpanOrOff, String> {
        text.parse()
    }
}

impl From<SpanOrOff> for String {
    fn from(span: SpanOrOff) -> String {
        span.0.map_or_else(|| "off".to_owned(), |span| span.to_string())
    }
}

/// A number of bytes: `512MiB`, `4GiB`, `1.5GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size {
    pub(crate) bytes: u64,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let bad =
            || format!("{text:?} is not a size: write a number and a unit, such as 512MiB, 4GiB or 100kB");
        let (number, unit) = split_number(text.trim());
        let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
        let number: f64 = number.parse().map_err(|_| bad())?;
        whole(number * factor.ok_or_else(bad)? as f64, 9e15).map(|bytes| Size { bytes }).ok_or_else(bad)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u64| self.bytes >= factor && self.bytes.is_multiple_of(factor);
        let (name, factor) = UNITS.iter().find(|(_, factor)| fits(*factor)).unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.bytes / factor)
    }
}

impl TryFrom<String> for Size {
    type Error = String;
    fn try_from(text: String) -> Result<Size, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

/// Units of bytes, those first that a size is printed in.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Parses a count: `250000`, `250_000`, `250k`, `1.5M`, `2G`.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a count: write a whole number, such as 250000, 250k or 1.5M");
    let plain = text.trim().replace('_', "");
    let (number, unit) = split_number(&plain);
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return Err(bad()),
    };
    if unit.is_empty() {
        return number.parse().map_err(|_| bad());
    }
    whole(number.parse::<f64>().map_err(|_| bad())? * factor, 9e15).ok_or_else(bad)
}

/// Parses a rate, readings per second: `1M/s`, `250k/s`, `1500/s`.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let bad = || format!("{text:?} is not a rate: write a number per second, such as 1M/s or 250k/s");
    let number = text.trim().strip_suffix("/s").ok_or_else(bad)?;
    let (number, suffix) = split_number(number.trim());
    let factor = match suffix {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        _ => return Err(bad()),
    };
    let rate = number.parse::<f64>().map_err(|_| bad())? * factor;
    if (RATE_MIN..=RATE_MAX).contains(&rate) {
        return Ok(rate);
    }
    Err(format!("{text} is outside {RATE_MIN}/s to {}M/s", RATE_MAX / 1e6))
}

/// Parses a factor: `10x`, `0.5x`.
pub(crate) fn parse_factor(text: &str) -> Result<f64, String> {
    let bad = || format!("{text:?} is not a factor: write a number and x, such as 10x");
    let number = text.trim().strip_suffix('x').ok_or_else(bad)?;
    let factor: f64 = number.trim().parse().map_err(|_| bad())?;
    if (FACTOR_MIN..=FACTOR_MAX).contains(&factor) {
        return Ok(factor);
    }
    Err(format!("{text} is outside {FACTOR_MIN}x to {FACTOR_MAX}x"))
}

/// Parses a point in time: epoch milliseconds, or RFC 3339 such as `2026-05-01T12:00:00Z`. Epoch ms.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok().filter(|n| *n >= 0);
    let sign_at = |i: usize, signs: &[u8]| text.as_bytes().get(i).is_some_and(|b| signs.contains(b));
    if !(sign_at(4, b"-")
        && sign_at(7, b"-")
        && sign_at(10, b"Tt ")
        && sign_at(13, b":")
        && sign_at(16, b":"))
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = fraction_and_zone(text.get(19..)?)?;
    let zone_minutes = match zone {
        "Z" | "z" => 0,
        offset if offset.len() == 6 && offset.as_bytes()[3] == b':' => {
            let minutes =
                offset.get(1..3)?.parse::<i64>().ok()? * 60 + offset.get(4..6)?.parse::<i64>().ok()?;
            match offset.as_bytes()[0] {
                b'+' => minutes,
                b'-' => -minutes,
                _ => return None,
            }
        }
        _ => return None,
    };
    let minutes = (days_from_epoch(year, month, day) * 24 + hour) * 60 + minute - zone_minutes;
    Some((minutes * 60 + second) * 1_000 + fraction_ms)
}

fn fraction_and_zone(rest: &str) -> Option<(i64, &str)> {
    let Some(digits) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    let ms = format!("{:0<3}", &digits[..end]).get(..3)?.parse().ok()?;
    Some((ms, &digits[end..]))
}

/// Days of the proleptic Gregorian calendar since 1970-01-01; the year starts in March, so that the leap day
/// is
/// its last.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

const FACTOR_MIN: f64 = 0.001;
const FACTOR_MAX: f64 = 1e6;

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

/// A float that is a whole number within 0 and `max`, as an integer.
fn whole(number: f64, max: f64) -> Option<u64> {
    let rounded = number.round();
    let is_whole = (number - rounded).abs() < 1e-6 && (0.0..=max).contains(&rounded);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and within range, just checked"
    )]
    is_whole.then_some(rounded as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_parse_print_and_refuse() {
        for (text, ms, printed) in [
            ("100ms", 100, "100ms"),
            ("30s", 30_000, "30s"),
            ("1.5s", 1_500, "1500ms"),
            ("1m30s", 90_000, "90s"),
            ("5m", 300_000, "5m"),
            ("48h", 172_800_000, "48h"),
            ("0s", 0, "0ms"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.ms(), span.to_string().as_str()), (ms, printed), "{text}");
        }
        assert!("10".parse::<Span>().unwrap_err().contains("no unit"));
        for text in ["", "s", "-1s", "1.2345ms", "5x", "1s2", "9999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("off".parse::<SpanOrOff>().unwrap(), SpanOrOff(None));
    }

    #[test]
    fn sizes_parse_print_and_refuse() {
        for (text, bytes, printed) in [
            ("4GiB", 4 << 30, "4GiB"),
            ("1.5GiB", 3 << 29, "1536MiB"),
            ("100 kB", 100_000, "100kB"),
            ("7B", 7, "7B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes, size.to_string().as_str()), (bytes, printed), "{text}");
        }
        for text in ["", "4", "4G", "GiB", "-1B", "0.5B"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn counts_take_suffixes() {
        assert_eq!(parse_count("1.5M"), Ok(1_500_000));
        assert_eq!(parse_count("250_000"), Ok(250_000));
        assert_eq!(parse_count("7"), Ok(7));
        for text in ["", "M", "-1", "1.5", "1.0000001k", "1x"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_factors_have_units_and_bounds() {
        for (text, rate) in [("1M/s", 1e6), ("250k/s", 250e3), ("1.5k/s", 1_500.0), (" 7/s ", 7.0)] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "1M", "0/s", "1e12/s", "1000M/s", "-1/s", "x/s", "1G/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_factor("10x"), Ok(10.0));
        for text in ["", "10", "0x", "-1x", "nanx", "infx", "1e9x"] {
            assert!(parse_factor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_epoch_ms_or_rfc_3339() {
        assert_eq!(parse_time("1700000000000"), Some(1_700_000_000_000));
        assert_eq!(parse_time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_time("2000-02-29T12:30:15.25Z"), Some(951_827_415_250));
        assert_eq!(parse_time("2026-05-01T12:00:00+02:00"), parse_time("2026-05-01T10:00:00Z"));
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-05-01T12:00:00", "2026-05-01"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
