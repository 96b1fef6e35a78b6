//! The fields of a reading.

use wellstream_core::record::{Side, TankReading, WellReading};

use crate::scenario::Ranges;

use super::draw::{Bits, Draws, Hundredths};
use super::{Event, EventKind, Generator, Mood};

/// The scenario's ranges, ready to draw from.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueRanges {
    /// By mood.
    pub(super) methane: [Hundredths; 4],
    pub(super) co2: Hundredths,
    pub(super) pressure: Hundredths,
    pub(super) temperature: Hundredths,
    pub(super) flow: Hundredths,
    pub(super) level: Hundredths,
    /// By mood.
    pub(super) vapor: [Hundredths; 4],
    pub(super) ambient: Hundredths,
    pub(super) internal: Hundredths,
    pub(super) wind: Hundredths,
    pub(super) atmospheric: Hundredths,
    pub(super) air_quality: Hundredths,
}

impl ValueRanges {
    pub(super) fn new(ranges: &Ranges) -> ValueRanges {
        // Usual, calm, seep, burst.
        let by_mood = |[least, most]: [f64; 2], [low, high]: [f64; 2]| {
            let burst_ppm = high + PPM_STEP;
            [
                [least, most],
                [least.min(low), most.min(low)],
                [low + PPM_STEP, high],
                [burst_ppm, most.max(burst_ppm)],
            ]
            .map(Hundredths::new)
        };
        ValueRanges {
            methane: by_mood(ranges.methane_ppm, METHANE_THRESHOLDS_PPM),
            co2: Hundredths::new(ranges.co2_ppm),
            pressure: Hundredths::new(ranges.pressure_psi),
            temperature: Hundredths::new(ranges.temperature_f),
            flow: Hundredths::new(ranges.flow_rate_bpd),
            level: Hundredths::new(ranges.level_percentage),
            vapor: by_mood(ranges.vapor_concentration_ppm, VAPOR_THRESHOLDS_PPM),
            ambient: Hundredths::new(ranges.ambient_temperature_f),
            internal: Hundredths::new(ranges.internal_pressure_psi),
            wind: Hundredths::new(ranges.wind_speed_mph),
            atmospheric: Hundredths::new(ranges.atmospheric_pressure_mb),
            air_quality: Hundredths::new(ranges.air_quality_index),
        }
    }
}

impl Generator {
    /// The reading of a well, by its fields. Poison is not in it.
    #[inline]
    pub fn well(&self, event: &Event) -> WellReading<'_> {
        let (mut draws, ranges) = (event.values, &self.ranges);
        let methane = ranges.methane[event.mood as usize];
        let mut well = WellReading {
            well_id: Some(self.sensor_id(event)),
            facility_id: Some(&self.facilities[event.facility as usize]),
            timestamp: Some(event.time_ms),
            // First, since the oracle asks for nothing else.
            methane_ppm: Some(methane.draw(&mut draws)),
            co2_ppm: Some(ranges.co2.draw(&mut draws)),
            pressure_psi: Some(ranges.pressure.draw(&mut draws)),
            temperature_f: Some(ranges.temperature.draw(&mut draws)),
            flow_rate_bpd: Some(ranges.flow.draw(&mut draws)),
            vibration_encoded: Some(one_of(&VIBRATIONS, &mut draws)),
            pump_status: Some(one_of(&PUMP_STATUSES, &mut draws)),
            maintenance_alert: Some(draws.below(20) == 0),
        };
        if let EventKind::Null(places) = event.kind {
            places.iter().for_each(|place| clear_well(&mut well, *place));
        }
        well
    }

    /// The reading of a tank, by its fields. Poison is not in it.
    #[inline]
    pub fn tank(&self, event: &Event) -> TankReading<'_> {
        let (mut draws, ranges) = (event.values, &self.ranges);
        let vapor = ranges.vapor[event.mood as usize];
        let vapor_ppm = vapor.draw(&mut draws);
        let flags = draws.bits();
        let mut tank = TankReading {
            tank_id: Some(self.sensor_id(event)),
            facility_id: Some(&self.facilities[event.facility as usize]),
            timestamp: Some(event.time_ms),
            level_percentage: Some(ranges.level.draw(&mut draws)),
            vapor_concentration_ppm: Some(vapor_ppm),
            leak_detection_status: Some(one_of(&LEAK_STATUSES, &mut draws)),
            ambient_temperature_f: Some(ranges.ambient.draw(&mut draws)),
            internal_pressure_psi: Some(ranges.internal.draw(&mut draws)),
            flame_arrestor_status: Some(flags & 0xf != 0),
            vapor_recovery_active: Some(flags & 0x10 != 0),
            emergency_shutdown: Some(flags & 0x3e0 == 0),
            wind_speed_mph: Some(ranges.wind.draw(&mut draws)),
            atmospheric_pressure_mb: Some(ranges.atmospheric.draw(&mut draws)),
            air_quality_index: Some(whole(ranges.air_quality.draw(&mut draws))),
        };
        if self.scenario.leak.is_some() {
            tank.leak_detection_status = Some(LEAK_STATUSES[leak_status(event.mood)]);
        }
        if let EventKind::Null(places) = event.kind {
            places.iter().for_each(|place| clear_tank(&mut tank, *place));
        }
        tank
    }

    /// Methane of a well or vapor of a tank: the same as in the whole reading.
    pub(super) fn ppm(&self, event: &Event) -> f64 {
        let ranges = &self.ranges;
        let by_mood = match event.side {
            Side::Well => &ranges.methane,
            Side::Tank => &ranges.vapor,
        };
        by_mood[event.mood as usize].draw(&mut event.values.clone())
    }
}

/// In a scenario in which something leaks: the place of what a tank says of it.
#[inline]
pub(super) fn leak_status(mood: Mood) -> usize {
    match mood {
        Mood::Usual | Mood::Calm => 0,
        Mood::Seep => 1,
        Mood::Burst => 2,
    }
}

fn clear_well(well: &mut WellReading<'_>, place: u8) {
    match place {
        0 => well.well_id = None,
        1 => well.facility_id = None,
        2 => well.timestamp = None,
        3 => well.methane_ppm = None,
        4 => well.co2_ppm = None,
        5 => well.pressure_psi = None,
        6 => well.temperature_f = None,
        7 => well.flow_rate_bpd = None,
        8 => well.vibration_encoded = None,
        9 => well.pump_status = None,
        _ => well.maintenance_alert = None,
    }
}

fn clear_tank(tank: &mut TankReading<'_>, place: u8) {
    match place {
        0 => tank.tank_id = None,
        1 => tank.facility_id = None,
        2 => tank.timestamp = None,
        3 => tank.level_percentage = None,
        4 => tank.vapor_concentration_ppm = None,
        5 => tank.leak_detection_status = None,
        6 => tank.ambient_temperature_f = None,
        7 => tank.internal_pressure_psi = None,
        8 => tank.flame_arrestor_status = None,
        9 => tank.vapor_recovery_active = None,
        10 => tank.emergency_shutdown = None,
        11 => tank.wind_speed_mph = None,
        12 => tank.atmospheric_pressure_mb = None,
        _ => tank.air_quality_index = None,
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below the length of the list")]
fn one_of<const N: usize>(list: &[&'static str; N], draws: &mut Draws) -> &'static str {
    list[draws.below(N as u64) as usize]
}

#[expect(clippy::cast_possible_truncation, reason = "ranges are checked to lie within a million")]
pub(super) fn whole(value: f64) -> i32 {
    value as i32
}

/// "vib_data_xyz", "vib_data_001" and so on in base64; one is not base64 at all.
pub(super) const VIBRATIONS: [&str; 8] = [
    "dmliX2RhdGFfeHl6",
    "dmliX2RhdGFfMDAx",
    "dmliX2RhdGFfMDAy",
    "dmliX2RhdGFfMDAz",
    "dmliX2RhdGFfMDA0",
    "dmliX2RhdGFfMDA1",
    "dmliX2RhdGFfMDA2",
    "!not base64!",
];

pub(super) const PUMP_STATUSES: [&str; 3] = ["active", "inactive", "standby"];

pub(super) const LEAK_STATUSES: [&str; 3] = ["NORMAL", "LEAK_DETECTED", "CRITICAL"];

/// Above these, methane is MEDIUM and HIGH, ppm.
const METHANE_THRESHOLDS_PPM: [f64; 2] = [300.0, 500.0];

/// Above these, vapor is HIGH and CRITICAL, ppm.
const VAPOR_THRESHOLDS_PPM: [f64; 2] = [5_000.0, 10_000.0];

/// Values have two decimals.
const PPM_STEP: f64 = 0.01;
