//! Axes: enters a range of values, leaves places between 0 and 1 and the ticks that a person would have
//! drawn.

use super::distribution::Quantile;
use super::figures::three_digits;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal steps, equal distances.
    Linear {
        /// Where the axis begins.
        low: f64,
        /// Where it ends.
        high: f64,
    },
    /// Equal ratios, equal distances.
    Log {
        /// Where the axis begins, above zero.
        low: f64,
        /// Where it ends.
        high: f64,
    },
    /// Fractions of samples; each nine the same distance, up to 99.999 %.
    Percentile,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The value.
    pub(super) value: f64,
    /// What stands beside it.
    pub(super) label: String,
}

impl Scale {
    /// From zero to a round number that holds all values.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Scale {
        let high = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        if high <= 0.0 {
            return Scale::Linear { low: 0.0, high: 1.0 };
        }
        let step = step(high, TICKS_ABOUT);
        Scale::Linear { low: 0.0, high: (high / step - 1e-9).ceil() * step }
    }

    /// Exactly this far.
    pub(super) fn exactly(low: f64, high: f64) -> Scale {
        Scale::Linear { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// Logarithmic where the values span so much that the small ones would vanish, else from zero.
    pub(super) fn automatic(values: impl IntoIterator<Item = f64>) -> Scale {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite() && *value > 0.0).collect();
        let high = values.iter().copied().fold(0.0, f64::max);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        if high > low * LOG_FROM { Scale::log(low, high) } else { Scale::from_zero(values) }
    }

    /// Logarithmic, between round numbers.
    pub(super) fn log(low: f64, high: f64) -> Scale {
        let low = low.clamp(1e-9, 1e15);
        let high = high.clamp(low * 1.001, 1e16);
        Scale::Log { low: round_down(low), high: round_up(high) }
    }

    /// 0 at the start of the axis, 1 at its end; outside values at the nearest end.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear { low, high } => (value - low) / (high - low),
            Scale::Log { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
            Scale::Percentile => -(1.0 - value).max(1e-9).log10() / NINES,
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// Round values along the axis, rising; about so many where steps are equal, else up to three times as
    /// many.
    pub(super) fn ticks(self, about: f64) -> Vec<Tick> {
        match self {
            Scale::Linear { low, high } => linear_ticks(low, high, about),
            Scale::Log { low, high } => log_ticks(low, high, about),
            Scale::Percentile => PERCENTILES
                .iter()
                .filter_map(|percentile| Quantile::of_percentile(*percentile))
                .map(|q| Tick { value: q.fraction(), label: q.label().trim_start_matches('p').to_owned() })
                .collect(),
        }
    }
}

fn linear_ticks(low: f64, high: f64, about: f64) -> Vec<Tick> {
    let step = step(high - low, about);
    let mut value = (low / step - 1e-9).ceil() * step;
    let mut ticks = Vec::new();
    while value <= high + step * 1e-9 {
        ticks.push(Tick { value, label: three_digits(value + 0.0) });
        value += step;
    }
    ticks
}

/// 1, 2 and 5 of each decade where there are few decades, else the decades.
fn log_ticks(low: f64, high: f64, about: f64) -> Vec<Tick> {
    let decades = (high / low).log10();
    let factors: &[f64] = if decades * 3.0 <= about * LOG_TICKS { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let mut ticks = Vec::new();
    let mut decade = first;
    while decade <= last {
        for factor in factors {
            let value = factor * 10_f64.powf(decade);
            if value >= low * (1.0 - 1e-9) && value <= high * (1.0 + 1e-9) {
                ticks.push(Tick { value, label: decimal(value) });
            }
        }
        decade += 1.0;
    }
    ticks
}

/// Round values below 0.001 would lose their digits in three places.
fn decimal(value: f64) -> String {
    if value >= 0.0095 {
        three_digits(value)
    } else {
        let text = format!("{value:.9}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// 1, 2 or 5 times a power of ten: at most about so many steps in the span.
fn step(span: f64, about: f64) -> f64 {
    let rough = (span / about).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power * 10.0)
}

fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|round| *round <= value * (1.0 + 1e-9))
        .unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|round| *round >= value * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}

/// From this ratio of greatest to least on, an axis of times is logarithmic.
const LOG_FROM: f64 = 30.0;
/// The last tick of the percentile axis, in nines.
const NINES: f64 = 5.0;
const PERCENTILES: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
/// Labels of a logarithmic axis stand closer than the steps of an equal one.
const LOG_TICKS: f64 = 2.5;
/// Of the axis whose end is made round.
const TICKS_ABOUT: f64 = 5.0;
/// On a horizontal one.
pub(super) const TICKS_ACROSS: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges from a nanosecond to a day, by a fixed seed.
    fn ranges() -> impl Iterator<Item = (f64, f64)> {
        let mut random = fastrand::Rng::with_seed(7);
        std::iter::repeat_with(move || {
            let low = 10_f64.powf(random.f64() * 11.0 - 6.0);
            (low, low * 10_f64.powf(random.f64() * 7.0 + 0.001))
        })
        .take(5_000)
    }

    #[test]
    fn ticks_are_few_rise_have_names_of_their_own_and_lie_on_the_axis() {
        for (low, high) in ranges() {
            for scale in [
                Scale::automatic([low, high]),
                Scale::log(low, high),
                Scale::from_zero([high]),
                Scale::exactly(0.0, high),
                Scale::Percentile,
            ] {
                let ticks = scale.ticks(TICKS_ABOUT);
                assert!((2..=13).contains(&ticks.len()), "{scale:?}: {ticks:?}");
                for pair in ticks.windows(2) {
                    assert!(pair[0].value < pair[1].value, "{scale:?}: {ticks:?}");
                    assert!(scale.place(pair[0].value) < scale.place(pair[1].value), "{scale:?}: {ticks:?}");
                    assert!(pair[0].label != pair[1].label || high < 0.02, "{scale:?}: {ticks:?}");
                }
            }
        }
    }

    #[test]
    fn every_value_has_a_place_and_places_keep_the_order() {
        for (low, high) in ranges() {
            for scale in [Scale::automatic([low, high]), Scale::log(low, high), Scale::from_zero([low, high])]
            {
                let places: Vec<f64> =
                    (0..=20).map(|i| scale.place(low + (high - low) * f64::from(i) / 20.0)).collect();
                assert!(places.iter().all(|place| (0.0..=1.0).contains(place)), "{scale:?}: {places:?}");
                assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{scale:?}: {places:?}");
                // Both ends lie on the axis, not beside it.
                assert!(places[20] > places[0], "{scale:?}: {places:?}");
            }
        }
    }

    #[test]
    fn nothing_and_nonsense_make_an_axis_too() {
        for scale in [Scale::from_zero([]), Scale::automatic([f64::NAN, 0.0]), Scale::exactly(3.0, 3.0)] {
            assert!(scale.ticks(TICKS_ABOUT).len() >= 2, "{scale:?}");
        }
        assert_eq!(Scale::from_zero([1.0]).place(f64::NAN), 0.0);
    }

    #[test]
    fn axes_are_those_a_person_would_draw() {
        let labels =
            |scale: Scale| scale.ticks(TICKS_ABOUT).into_iter().map(|tick| tick.label).collect::<Vec<_>>();
        assert_eq!(labels(Scale::from_zero([930.0])), ["0", "200", "400", "600", "800", "1,000"]);
        assert_eq!(labels(Scale::automatic([1.2, 9.0])), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(Scale::automatic([0.3, 18.0])), ["0.2", "0.5", "1", "2", "5", "10", "20"]);
        assert_eq!(labels(Scale::automatic([0.004, 900.0])), ["0.01", "0.1", "1", "10", "100", "1,000"]);
        assert_eq!(labels(Scale::Percentile), ["0", "50", "90", "99", "99.9", "99.99", "99.999"]);
    }
}
