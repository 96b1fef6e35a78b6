//! Figures as people read them: three digits that matter, a unit, thousands apart.

/// Nanoseconds with the unit that suits them: `850 ns`, `12.3 µs`, `4.56 ms`, `1.23 s`.
pub(crate) fn duration(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        ns if ns < 999.5 => format!("{ns:.0} ns"),
        ns if ns < 999.5e3 => format!("{} µs", significant(ns / 1e3)),
        ns if ns < 999.5e6 => format!("{} ms", significant(ns / 1e6)),
        ns => format!("{} s", significant(ns / 1e9)),
    }
}

/// Nanoseconds in milliseconds, for columns: `0.042`, `1.24`, `1,234`.
pub(super) fn ms(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    if ms < 0.1 { format!("{ms:.4}") } else { significant(ms) }
}

/// A figure that may not be told is a dash.
pub(super) fn told(ns: Option<u64>, show: fn(u64) -> String) -> String {
    ns.map_or_else(|| NONE.to_owned(), show)
}

/// A rate: `950/s`, `250k/s`, `1.25M/s`.
pub(crate) fn rate(per_s: f64) -> String {
    format!("{}/s", short(per_s))
}

/// A number with k, M or G: three digits that matter.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        n if n < 999.5 => three_digits(number),
        n if n < 999.5e3 => format!("{}k", three_digits(number / 1e3)),
        n if n < 999.5e6 => format!("{}M", three_digits(number / 1e6)),
        _ => format!("{}G", three_digits(number / 1e9)),
    }
}

/// Bytes: `512 MiB`, `1.5 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1_024.0 => format!("{b:.0} B"),
        b if b < 1_048_576.0 => format!("{} KiB", three_digits(b / 1_024.0)),
        b if b < 1_073_741_824.0 => format!("{} MiB", three_digits(b / 1_048_576.0)),
        b => format!("{} GiB", three_digits(b / 1_073_741_824.0)),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(count: u64) -> String {
    grouped(&count.to_string())
}

/// Three digits that matter, no trailing zeros behind a dot; whole above a hundred.
pub(crate) fn three_digits(number: f64) -> String {
    let text = significant(number);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Three digits that matter, also where they are zeros: columns stay even.
fn significant(number: f64) -> String {
    let places = match number.abs() {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        n if n >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{number:.places$}");
    if text.contains('.') { text } else { grouped(&text) }
}

/// How one value stands to another: `1.24×`.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        r if r >= 99.5 => format!("{}×", thousands_of(r)),
        r if r >= 9.95 => format!("{r:.1}×"),
        r => format!("{r:.2}×"),
    }
}

fn thousands_of(number: f64) -> String {
    grouped(&format!("{number:.0}"))
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// In the place of a figure that there is not.
pub(super) const NONE: &str = "–";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_matter() {
        let durations = [0, 850, 12_345, 4_560_000, 999_600_000, 1_234_000_000, 61_000_000_000];
        assert_eq!(
            durations.map(duration),
            ["0 ns", "850 ns", "12.3 µs", "4.56 ms", "1.00 s", "1.23 s", "61.0 s"]
        );
        assert_eq!([42_000, 1_240_000, 1_234_000_000].map(ms), ["0.0420", "1.24", "1,234"]);
        assert_eq!([0.0, 950.0, 250e3, 999_600.0, 1.25e6].map(short), ["0", "950", "250k", "1M", "1.25M"]);
        assert_eq!([512, 1 << 20, 3 << 29].map(bytes), ["512 B", "1 MiB", "1.5 GiB"]);
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!([0.5, 1.0, 12.345, 1_234.0].map(times), ["0.50×", "1.00×", "12.3×", "1,234×"]);
        assert_eq!(told(None, ms), NONE);
    }
}
