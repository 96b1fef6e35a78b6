//! The straight-line readers of our own layouts against the plan's interpreter: the same schema behind one
//! byte more that nobody reads is another layout, so the interpreter must say the same of every body, good or
//! damaged, with that byte before it.

#![expect(clippy::unwrap_used, reason = "test helpers: what cannot be done fails the test")]

use fastrand::Rng;
use wellstream_core::decode::Plan;
use wellstream_core::record::{Reason, Side, TankReading, WellReading};
use wellstream_core::{encode, schemas};

/// One layout, read in both ways.
struct Pair {
    straight: Plan,
    interpreted: Plan,
    agreed: usize,
    refused: usize,
}

impl Pair {
    fn new(side: Side, schema: &str) -> Pair {
        let more = r#""fields": [{"name": "one_byte_more", "type": "boolean"},"#;
        let interpreted = Plan::compile(side, &schema.replacen(r#""fields": ["#, more, 1)).unwrap();
        Pair { straight: Plan::compile(side, schema).unwrap(), interpreted, agreed: 0, refused: 0 }
    }

    /// Compares what both make of a body. Whatever was in the reading before must not be seen.
    fn compare(&mut self, body: &[u8]) {
        let longer = [&[1], body].concat();
        let text = |reading: &dyn std::fmt::Debug| format!("{reading:?}");
        let (straight, interpreted): (Result<String, Reason>, _) = match self.straight.side() {
            Side::Well => {
                let mut stale = WellReading { well_id: Some("stale"), co2_ppm: Some(7.0), ..STALE_WELL };
                let read = self.straight.decode_well_into(body, &mut stale);
                let expected = self.interpreted.decode_well(&longer);
                (read.map(|()| text(&stale)), expected.map(|reading| text(&reading)))
            }
            Side::Tank => {
                let mut stale = TankReading { tank_id: Some("stale"), ..STALE_TANK };
                let read = self.straight.decode_tank_into(body, &mut stale);
                let expected = self.interpreted.decode_tank(&longer);
                (read.map(|()| text(&stale)), expected.map(|reading| text(&reading)))
            }
        };
        assert_eq!(straight, interpreted, "{body:?}");
        if straight.is_ok() { self.agreed += 1 } else { self.refused += 1 }
    }

    /// A body as it is, cut anywhere, with every bit turned, and with some bytes replaced or put in.
    fn compare_all_around(&mut self, body: &[u8], rng: &mut Rng) {
        self.compare(body);
        for place in 0..body.len() {
            self.compare(&body[..place]);
            let mut damaged = body.to_vec();
            for bit in 0..8 {
                damaged[place] = body[place] ^ (1 << bit);
                self.compare(&damaged);
                self.compare(&damaged[..rng.usize(place..damaged.len())]);
            }
        }
        for _ in 0..200 {
            let mut damaged = body.to_vec();
            for _ in 0..rng.usize(1..4) {
                let place = rng.usize(..damaged.len());
                let byte = *rng.choice(&[0, 1, 2, 3, 0x80, 0x81, 0x82, 0x7F, 0xFF, 0xF0]).unwrap();
                if rng.bool() { damaged.insert(place, byte) } else { damaged[place] = byte }
            }
            self.compare(&damaged);
        }
    }
}

const STALE_WELL: WellReading<'_> = WellReading {
    well_id: None,
    facility_id: Some("stale"),
    timestamp: Some(1),
    methane_ppm: Some(2.0),
    co2_ppm: None,
    pressure_psi: Some(3.0),
    temperature_f: Some(4.0),
    flow_rate_bpd: Some(5.0),
    vibration_encoded: Some("stale"),
    pump_status: Some("stale"),
    maintenance_alert: Some(true),
};

const STALE_TANK: TankReading<'_> = TankReading {
    tank_id: None,
    facility_id: Some("stale"),
    timestamp: Some(1),
    level_percentage: Some(2.0),
    vapor_concentration_ppm: Some(3.0),
    leak_detection_status: Some("stale"),
    ambient_temperature_f: Some(4.0),
    internal_pressure_psi: Some(5.0),
    flame_arrestor_status: Some(true),
    vapor_recovery_active: Some(true),
    emergency_shutdown: Some(true),
    wind_speed_mph: Some(6.0),
    atmospheric_pressure_mb: Some(7.0),
    air_quality_index: Some(8),
};

#[test]
fn differential_our_layouts_are_read_as_the_interpreter_reads_them() {
    let mut pairs = [
        Pair::new(Side::Well, schemas::WELL_DATA),
        Pair::new(Side::Tank, schemas::TANK_DATA),
        Pair::new(Side::Well, &schemas::well_data_nullable()),
        Pair::new(Side::Tank, &schemas::tank_data_nullable()),
    ];
    for seed in 0..24 {
        let mut rng = Rng::with_seed(seed);
        // Complete readings for the layouts that have no null, then some with nulls.
        for nulls in [0, 5] {
            let (well, tank) = (well(&mut rng, nulls), tank(&mut rng, nulls));
            let mut bodies = vec![Vec::new(); 4];
            if nulls == 0 {
                encode::well_reading(&mut bodies[0], &well).unwrap();
                encode::tank_reading(&mut bodies[1], &tank).unwrap();
            }
            encode::well_reading_nullable(&mut bodies[2], &well);
            encode::tank_reading_nullable(&mut bodies[3], &tank);
            for (pair, body) in pairs.iter_mut().zip(&bodies) {
                if !body.is_empty() {
                    pair.compare_all_around(body, &mut rng);
                }
            }
        }
    }
    for Pair { straight, agreed, refused, .. } in &pairs {
        assert!(*agreed > 5_000 && *refused > 5_000, "{}: {agreed}, {refused}", straight.side());
    }
}

fn well(rng: &mut Rng, nulls: u8) -> WellReading<'static> {
    WellReading {
        well_id: text(rng, nulls),
        facility_id: text(rng, nulls),
        timestamp: whole(rng, nulls),
        methane_ppm: double(rng, nulls),
        co2_ppm: double(rng, nulls),
        pressure_psi: double(rng, nulls),
        temperature_f: double(rng, nulls),
        flow_rate_bpd: double(rng, nulls),
        vibration_encoded: text(rng, nulls),
        pump_status: text(rng, nulls),
        maintenance_alert: present(rng, nulls).then(|| rng.bool()),
    }
}

fn tank(rng: &mut Rng, nulls: u8) -> TankReading<'static> {
    TankReading {
        tank_id: text(rng, nulls),
        facility_id: text(rng, nulls),
        timestamp: whole(rng, nulls),
        level_percentage: double(rng, nulls),
        vapor_concentration_ppm: double(rng, nulls),
        leak_detection_status: text(rng, nulls),
        ambient_temperature_f: double(rng, nulls),
        internal_pressure_psi: double(rng, nulls),
        flame_arrestor_status: present(rng, nulls).then(|| rng.bool()),
        vapor_recovery_active: present(rng, nulls).then(|| rng.bool()),
        emergency_shutdown: present(rng, nulls).then(|| rng.bool()),
        wind_speed_mph: double(rng, nulls),
        atmospheric_pressure_mb: double(rng, nulls),
        air_quality_index: present(rng, nulls).then(|| rng.i32(..) >> rng.u32(..32)),
    }
}

/// Whether a field has a value: `nulls` of sixteen have none.
fn present(rng: &mut Rng, nulls: u8) -> bool {
    rng.u8(..16) >= nulls
}

/// Of every length around the windows, mostly ASCII.
fn text(rng: &mut Rng, nulls: u8) -> Option<&'static str> {
    const ASCII: &str = "FAC-00017 is a name of more than sixty-four bytes, as no sensor has it, but may";
    const OTHERS: [&str; 5] = ["é", "Bohrung-ß", "Förderanlage-zwölf", "0123456789abcdé", "0123456789abcdeé"];
    present(rng, nulls).then(|| match rng.u8(..8) {
        0 => *rng.choice(&OTHERS).unwrap(),
        1 => &ASCII[..rng.usize(..ASCII.len())],
        _ => &ASCII[..rng.usize(..20)],
    })
}

fn whole(rng: &mut Rng, nulls: u8) -> Option<i64> {
    present(rng, nulls).then(|| rng.i64(..) >> rng.u32(..64))
}

fn double(rng: &mut Rng, nulls: u8) -> Option<f64> {
    let values = [f64::NAN, f64::INFINITY, f64::MAX, -0.0];
    present(rng, nulls)
        .then(|| if rng.u8(..60) == 0 { *rng.choice(&values).unwrap() } else { rng.f64() * 1e4 })
}
