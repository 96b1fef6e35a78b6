//! Rows, alarms and counts as lines of text.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use wellstream_core::decode::{EnrichedEvent, enriched};
use wellstream_core::record::AlarmKind;

use super::board::{Alerts, Counts, Shown};

/// What has happened since the last table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Counts then.
    pub(super) before: Counts,
    /// Counts now.
    pub(super) now: Counts,
    /// Seconds in between.
    pub(super) seconds: f64,
    /// The wall's time now, epoch ms.
    pub(super) wall_ms: i64,
}

/// The table with its head.
pub(super) fn table(span: Span, rows: &[Shown]) -> String {
    let mut out = String::new();
    let per_s = |now: u64, before: u64| thousands(per_s(now.saturating_sub(before), span.seconds));
    let _ = writeln!(
        out,
        "{BOLD}{}  events/s {}  rows/s {}  rows {}  alert rows {}  watermark {}{BOLD:#}",
        &utc(span.wall_ms)[11..19],
        per_s(span.now.records, span.before.records),
        per_s(span.now.rows, span.before.rows),
        thousands(span.now.rows),
        thousands(span.now.alert_rows),
        span.now.watermark_ms.map_or_else(|| "none yet".to_owned(), |w| behind(span.wall_ms - w)),
    );
    if rows.is_empty() {
        out.push_str("no rows since the last table\n\n");
        return out;
    }
    let _ = writeln!(
        out,
        "{DIM}{:<18} {:<18} {:>10} {:<15} {:>16} {:>5} status{DIM:#}",
        "well", "facility", "methane", "emission", "vapor", "risk"
    );
    for row in rows {
        match enriched(&row.value) {
            Ok(event) => table_row(&mut out, &event),
            Err(reason) => {
                let _ = writeln!(out, "a row that cannot be shown: {reason}");
            }
        }
    }
    out.push('\n');
    out
}

fn table_row(out: &mut String, event: &EnrichedEvent) {
    let style = if event.status == "ALERT" { ALERT } else { Style::new() };
    let vapor_class = event.vapor_class.as_deref().unwrap_or("-");
    let _ = writeln!(
        out,
        "{style}{:<18} {:<18} {:>10} {:<15} {:>7} {:<8} {:>5} {}{style:#}",
        clean(event.well_id.as_deref().unwrap_or("-"), 18),
        clean(&event.facility_id, 18),
        number(event.methane_ppm),
        clean(event.emission_class.as_deref().unwrap_or("-"), 15),
        number(event.vapor_concentration_ppm),
        clean(vapor_class, 8),
        event.risk,
        event.status,
    );
}

/// Alerts as lines: alarms, ALERT rows, and how many more there were.
pub(super) fn alerts(alerts: &Alerts) -> String {
    let mut out = String::new();
    for alarm in &alerts.alarms {
        let style = if alarm.kind == AlarmKind::Cleared { CLEARED } else { ALERT };
        let _ = writeln!(
            out,
            "{style}ALARM {:<9} {:<18} highest risk {:>3}, first {}, last {}{style:#}",
            alarm.kind.name(),
            clean(&alarm.facility, 18),
            alarm.highest,
            utc(alarm.first_ms),
            utc(alarm.last_ms),
        );
    }
    for event in alerts.rows.iter().filter_map(|value| enriched(value).ok()) {
        let _ = writeln!(
            out,
            "{ALERT}ALERT {} {} + {}: methane {} {}, vapor {} {}, risk {} at {}{ALERT:#}",
            clean(&event.facility_id, 18),
            clean(event.well_id.as_deref().unwrap_or("-"), 18),
            clean(event.tank_id.as_deref().unwrap_or("-"), 18),
            number(event.methane_ppm),
            clean(event.emission_class.as_deref().unwrap_or("-"), 15),
            number(event.vapor_concentration_ppm),
            clean(event.vapor_class.as_deref().unwrap_or("-"), 8),
            event.risk,
            utc(event.row_time),
        );
    }
    let held_back: Vec<_> = [(alerts.rows_held_back, "ALERT rows"), (alerts.alarms_held_back, "alarms")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} more {what}", thousands(count)))
        .collect();
    if !held_back.is_empty() {
        let _ = writeln!(out, "{ALERT}... and {}{ALERT:#}", held_back.join(", "));
    }
    out
}

/// Text from outside, safe on a terminal: no control characters, at most `width` characters.
pub(crate) fn clean(text: &str, width: usize) -> String {
    let mut out: String = text.chars().take(width).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(width).is_some() {
        out.pop();
        out.push('~');
    }
    out
}

/// Epoch milliseconds as RFC 3339: `2026-05-01T12:00:00.000Z`.
pub(crate) fn utc(ms: i64) -> String {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // The civil date of a day number; eras of 400 years start on 1 March 0000.
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (seconds, ms) = (ms_of_day / 1_000, ms_of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How long ago, in the unit that is read at a glance.
pub(crate) fn age(ms: i64) -> String {
    match ms / 1_000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// A count in some seconds as a rate per second.
pub(crate) fn per_s(count: u64, seconds: f64) -> u64 {
    let rate = (count as f64 / seconds.max(1e-3)).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a float saturates"
    )]
    let rate = rate as u64;
    rate
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn behind(ms: i64) -> String {
    match ms {
        ms if ms.abs() < 600_000 => format!("{:.1} s behind", ms as f64 / 1e3),
        ms => format!("{:.1} h behind", ms as f64 / 3.6e6),
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// What needs somebody's eye.
pub(crate) const ALERT: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const CLEARED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));

#[cfg(test)]
mod tests {
    use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
    use wellstream_core::record::{Alarm, PartitionId, Side, Status, TankReading, WellReading};
    use wellstream_core::rules::{RulesHash, ScoreRules};
    use wellstream_core::score;

    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc", 20), "a?[31mb?c");
        assert_eq!(clean("0123456789", 10), "0123456789");
        assert_eq!(clean("0123456789x", 10), "012345678~");
    }

    #[test]
    fn times_are_civil() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_415_250, "2000-02-29T12:30:15.250Z"),
            (1_777_636_800_000, "2026-05-01T12:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234), "1,234");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    /// The golden row of methane 650.2 and vapor 12,000: 80, ALERT.
    fn golden() -> Shown {
        let (well_id, facility_id) = (Some("WELL-1"), Some("FAC-1"));
        let well = WellReading { well_id, facility_id, methane_ppm: Some(650.2), ..WellReading::default() };
        let tank = TankReading { vapor_concentration_ppm: Some(12_000.0), ..TankReading::default() };
        let encoder = |side| PartEncoder::new(PartitionId { side, number: 0 });
        let time_ms = 1_777_636_800_000;
        let rules = ScoreRules::default();
        let (mut well_part, mut tank_part, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let origin = Origin { offset: 7, time_ms, value: &[] };
        encoder(Side::Well).well(&mut well_part, &well, &origin, score::well(650.2, &rules));
        encoder(Side::Tank).tank(&mut tank_part, &tank, &origin, score::tank(12_000.0, &rules));
        let tail = RowTail { time_ms, quality: 70, risk: 80, status: Status::Alert };
        let mut rows = RowEncoder::new(RulesHash(1));
        let (value, _) = rows.put(&mut out, Some(&well_part), Some(&tank_part), tail);
        let value = out[value.start as usize..value.end as usize].to_vec();
        Shown { risk: 80, time_ms, value }
    }

    #[test]
    fn the_table_shows_a_row_and_the_head_says_how_it_goes() {
        let before = Counts::default();
        let now = Counts { rows: 5_000, alert_rows: 7, records: 10_000, ..before };
        let now = Counts { watermark_ms: Some(1_777_636_790_000), ..now };
        let span = Span { before, now, seconds: 5.0, wall_ms: 1_777_636_800_000 };
        let text = table(span, &[golden()]);
        let plain = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = plain.lines().collect();
        assert_eq!(
            lines[0],
            "12:00:00  events/s 2,000  rows/s 1,000  rows 5,000  alert rows 7  watermark 10.0 s behind"
        );
        let words: Vec<_> = lines[2].split_whitespace().collect();
        assert_eq!(
            words,
            ["WELL-1", "FAC-1", "650.2", "HIGH_EMISSION", "12000.0", "CRITICAL", "80", "ALERT"]
        );
        assert!(
            text.lines().nth(2).is_some_and(|line| line.starts_with('\u{1b}')),
            "an ALERT row is in colour"
        );
        let alert = alerts(&Alerts { rows: vec![golden().value], ..Alerts::default() });
        let plain = anstream::adapter::strip_str(&alert).to_string();
        assert!(plain.starts_with("ALERT FAC-1 WELL-1 + -: methane 650.2 HIGH_EMISSION"), "{plain}");
    }

    #[test]
    fn alarms_are_lines_and_the_rest_is_counted() {
        let alarm = Alarm {
            facility: "FAC-1".into(),
            kind: AlarmKind::Raised,
            time_ms: 0,
            first_ms: 0,
            last_ms: 0,
            highest: 80,
        };
        let text = alerts(&Alerts { alarms: vec![alarm], rows_held_back: 1_500, ..Alerts::default() });
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.contains("ALARM RAISED    FAC-1"), "{plain}");
        assert!(plain.ends_with("... and 1,500 more ALERT rows\n"), "{plain}");
        assert!(text.contains('\u{1b}'), "alerts are in colour");
    }
}
