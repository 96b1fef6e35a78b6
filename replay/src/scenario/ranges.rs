//! Where values lie.

use serde::{Deserialize, Serialize};

macro_rules! ranges {
    ($($(#[$doc:meta])* $name:ident = [$least:literal, $most:literal],)+) => {
        /// The least and the most of each value, both included. Values have two decimals.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Ranges {
            $($(#[$doc])* pub $name: [f64; 2],)+
        }

        impl Default for Ranges {
            fn default() -> Self {
                Ranges { $($name: [$least, $most],)+ }
            }
        }

        impl Ranges {
            /// The first range that is none, by its key.
            pub(super) fn wrong(&self) -> Option<(&'static str, [f64; 2])> {
                let all = [$((concat!("ranges.", stringify!($name)), self.$name),)+];
                all.into_iter().find(|(_, [least, most])| {
                    !(least <= most && [least, most].iter().all(|value| value.abs() <= VALUE_MAX))
                })
            }
        }
    };
}

ranges! {
    /// Methane of wells, ppm.
    methane_ppm = [5.0, 800.0],
    /// Carbon dioxide of wells, ppm.
    co2_ppm = [10.0, 1_000.0],
    /// Pressure of wells, psi.
    pressure_psi = [100.0, 500.0],
    /// Temperature of wells, degrees Fahrenheit.
    temperature_f = [50.0, 130.0],
    /// Flow of wells, barrels per day.
    flow_rate_bpd = [50.0, 300.0],
    /// Fill level of tanks, percent.
    level_percentage = [10.0, 95.0],
    /// Vapor of tanks, ppm.
    vapor_concentration_ppm = [100.0, 15_000.0],
    /// Ambient temperature of tanks, degrees Fahrenheit.
    ambient_temperature_f = [40.0, 110.0],
    /// Internal pressure of tanks, psi.
    internal_pressure_psi = [5.0, 50.0],
    /// Wind speed, mph.
    wind_speed_mph = [0.0, 30.0],
    /// Atmospheric pressure, mbar.
    atmospheric_pressure_mb = [950.0, 1_050.0],
    /// Air quality index; whole numbers.
    air_quality_index = [0.0, 500.0],
}

/// Hundredths of this fit 32 bits.
const VALUE_MAX: f64 = 1_000_000.0;
