//! Readings as the default workload has them, and their bodies by several writers' schemas.

use fastrand::Rng;
use wellstream_core::decode::Plan;
use wellstream_core::encode::{self, Origin, PartEncoder};
use wellstream_core::record::{Input, PartitionId, Side, TankReading, WellReading};
use wellstream_core::rules::ScoreRules;
use wellstream_core::{schemas, score};

/// How many of each: some 1.5 MB of bodies, as much as a fetch has.
pub(crate) const READINGS: usize = 4_096;

/// Everything that the stages work on.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) wells: Vec<WellReading<'static>>,
    pub(crate) tanks: Vec<TankReading<'static>>,
    pub(crate) inputs: Vec<Input>,
    /// The row parts of a well and a tank each.
    pub(crate) parts: Vec<[Vec<u8>; 2]>,
    /// Their points and quality.
    pub(crate) classes: Vec<[[u16; 2]; 2]>,
}

/// A plan and the bodies that are read by it.
pub(crate) struct Bodies {
    pub(crate) schema: String,
    pub(crate) plan: Plan,
    pub(crate) bodies: Vec<Vec<u8>>,
}

impl Load {
    pub(crate) fn new() -> Load {
        let mut rng = Rng::with_seed(5);
        let mut load = Load::default();
        for n in 0..READINGS {
            load.wells.push(well(&mut rng));
            load.tanks.push(tank(&mut rng));
            load.inputs.push(Input {
                time_ms: time_ms(&mut rng),
                partition: rng.u32(0..16),
                offset: i64::try_from(n * 17).unwrap(),
            });
            load.add_parts(n);
        }
        load
    }

    fn add_parts(&mut self, n: usize) {
        let rules = ScoreRules::default();
        let (well, tank, input) = (&self.wells[n], &self.tanks[n], self.inputs[n]);
        let emission = score::well(well.methane_ppm.unwrap_or_default(), &rules);
        let vapor = score::tank(tank.vapor_concentration_ppm.unwrap_or_default(), &rules);
        let mut parts = [Vec::new(), Vec::new()];
        let origin = Origin { offset: input.offset, time_ms: input.time_ms, value: &[] };
        let encoder = |side| PartEncoder::new(PartitionId { side, number: input.partition });
        encoder(Side::Well).well(&mut parts[0], well, &origin, emission);
        encoder(Side::Tank).tank(&mut parts[1], tank, &origin, vapor);
        self.parts.push(parts);
        let [emission, vapor] = [[emission.points, emission.quality], [vapor.points, vapor.quality]]
            .map(|class| class.map(narrow));
        self.classes.push([emission, vapor]);
    }

    /// By the normative schema, every field a value.
    pub(crate) fn plain(&self, side: Side) -> Bodies {
        let schema = [schemas::WELL_DATA, schemas::TANK_DATA][side.index()].to_owned();
        self.bodies(side, schema, |out, well, tank| match side {
            Side::Well => encode::well_reading(out, well).unwrap(),
            Side::Tank => encode::tank_reading(out, tank).unwrap(),
        })
    }

    /// By the schema with null in every field; no field is null.
    pub(crate) fn nullable(&self, side: Side) -> Bodies {
        let schema = match side {
            Side::Well => schemas::well_data_nullable(),
            Side::Tank => schemas::tank_data_nullable(),
        };
        self.bodies(side, schema, |out, well, tank| match side {
            Side::Well => encode::well_reading_nullable(out, well),
            Side::Tank => encode::tank_reading_nullable(out, tank),
        })
    }

    /// By a schema of the field's own: the same fields behind two more, so nothing made for ours applies.
    pub(crate) fn foreign(&self, side: Side) -> Bodies {
        let schema = [schemas::WELL_DATA, schemas::TANK_DATA][side.index()];
        let more = r#""fields": [{"name": "serial", "type": "string"}, {"name": "gain", "type": "float"},"#;
        self.bodies(side, schema.replacen(r#""fields": ["#, more, 1), |out, well, tank| {
            out.extend_from_slice(b"\x08S-17\0\0\x80\x3F");
            match side {
                Side::Well => encode::well_reading(out, well).unwrap(),
                Side::Tank => encode::tank_reading(out, tank).unwrap(),
            }
        })
    }

    fn bodies(
        &self,
        side: Side,
        schema: String,
        put: impl Fn(&mut Vec<u8>, &WellReading<'_>, &TankReading<'_>),
    ) -> Bodies {
        let plan = Plan::compile(side, &schema).unwrap();
        let readings = self.wells.iter().zip(&self.tanks);
        let bodies = readings.map(|(well, tank)| {
            let mut out = Vec::new();
            put(&mut out, well, tank);
            out
        });
        Bodies { schema, plan, bodies: bodies.collect() }
    }
}

pub(crate) fn well(rng: &mut Rng) -> WellReading<'static> {
    WellReading {
        well_id: Some(name("WELL", rng.u32(..20_000))),
        facility_id: Some(name("FAC", rng.u32(..10_000))),
        timestamp: Some(time_ms(rng)),
        methane_ppm: hundredths(rng, 60_000),
        co2_ppm: hundredths(rng, 100_000),
        pressure_psi: hundredths(rng, 400_000),
        temperature_f: hundredths(rng, 20_000),
        flow_rate_bpd: hundredths(rng, 500_000),
        vibration_encoded: Some(VIBRATIONS[rng.usize(..VIBRATIONS.len())]),
        pump_status: Some(["active", "inactive", "standby"][rng.usize(..3)]),
        maintenance_alert: Some(rng.u8(..20) == 0),
    }
}

pub(crate) fn tank(rng: &mut Rng) -> TankReading<'static> {
    TankReading {
        tank_id: Some(name("TANK", rng.u32(..10_000))),
        facility_id: Some(name("FAC", rng.u32(..10_000))),
        timestamp: Some(time_ms(rng)),
        level_percentage: hundredths(rng, 10_000),
        vapor_concentration_ppm: hundredths(rng, 1_200_000),
        leak_detection_status: Some(["NORMAL", "LEAK_DETECTED", "CRITICAL"][rng.usize(..3)]),
        ambient_temperature_f: hundredths(rng, 12_000),
        internal_pressure_psi: hundredths(rng, 3_000),
        flame_arrestor_status: Some(rng.bool()),
        vapor_recovery_active: Some(rng.bool()),
        emergency_shutdown: Some(rng.u8(..32) == 0),
        wind_speed_mph: hundredths(rng, 6_000),
        atmospheric_pressure_mb: hundredths(rng, 105_000),
        air_quality_index: Some(rng.i32(0..300)),
    }
}

pub(crate) fn name(kind: &str, number: u32) -> &'static str {
    Box::leak(format!("{kind}-{number:05}").into_boxed_str())
}

fn narrow(n: u32) -> u16 {
    u16::try_from(n).unwrap()
}

fn time_ms(rng: &mut Rng) -> i64 {
    1_700_000_000_000 + rng.i64(0..100_000)
}

#[expect(clippy::unnecessary_wraps, reason = "as a reading has it")]
fn hundredths(rng: &mut Rng, below: u32) -> Option<f64> {
    Some(f64::from(rng.u32(..below)) / 100.0)
}

/// "vib_data_xyz" and so on in base64; one is not base64 at all.
const VIBRATIONS: [&str; 8] = [
    "dmliX2RhdGFfeHl6",
    "dmliX2RhdGFfMDAx",
    "dmliX2RhdGFfMDAy",
    "dmliX2RhdGFfMDAz",
    "dmliX2RhdGFfMDA0",
    "dmliX2RhdGFfMDA1",
    "dmliX2RhdGFfMDA2",
    "!not base64!",
];
