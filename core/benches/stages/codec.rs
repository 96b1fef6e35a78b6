//! Decode, encode and score as stages, and their naive twins.

use std::hint::black_box;

use apache_avro::Schema;
use wellstream_core::decode::Plan;
use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
use wellstream_core::record::{Input, PartitionId, Side, Status, TankReading, WellReading};
use wellstream_core::rules::{RulesHash, ScoreRules};
use wellstream_core::score;

use super::{Stage, mix, sample};
use crate::load::{Bodies, Load, READINGS};

#[path = "../../tests/decode_support/naive.rs"]
#[expect(dead_code, reason = "the tests compare fields, too")]
mod naive;
#[path = "../../tests/decode_support/naive_part.rs"]
pub(super) mod naive_part;
#[path = "../../tests/decode_support/writers.rs"]
#[expect(dead_code, clippy::cast_possible_truncation, reason = "the tests make random writers of it")]
mod writers;

/// The stage of this name, if it is one of these.
pub(super) fn stage<'l>(load: &'l Load, name: &str) -> Option<Stage<'l>> {
    let side = if name.contains("well") { Side::Well } else { Side::Tank };
    Some(match name {
        "decode_well" | "decode_tank" => decode(load.plain(side)),
        "decode_well_nullable" | "decode_tank_nullable" => decode(load.nullable(side)),
        "decode_well_foreign" | "decode_tank_foreign" => decode(load.foreign(side)),
        "naive_decode_well" | "naive_decode_tank" => naive_decode(load.plain(side)),
        "well_part" | "tank_part" => parts(load, side),
        "naive_well_part" | "naive_tank_part" => naive_parts(load, side),
        "row" => {
            let mut encoder = RowEncoder::new(RULES);
            rows(load, move |out, well, tank, tail| {
                let (value, key) = encoder.put(out, Some(well), Some(tank), tail);
                u64::from(value.start ^ key.end)
            })
        }
        "naive_row" => {
            let rules = RULES.to_string();
            rows(load, move |out, well, tank, tail| {
                let (value, key) = naive_part::put_row(out, well, tank, tail, &rules);
                u64::from(value.start ^ key.end)
            })
        }
        "score" => scores(load),
        _ => return None,
    })
}

fn decode<'l>(Bodies { plan, bodies, .. }: Bodies) -> Stage<'l> {
    Box::new(move |turns| {
        let (mut well, mut tank) = (WellReading::default(), TankReading::default());
        let mut hash = 0;
        for body in bodies.iter().cycle().take(turns) {
            let next = match plan.side() {
                Side::Well => {
                    plan.decode_well_into(black_box(body), &mut well).unwrap();
                    of_well(&well)
                }
                Side::Tank => {
                    plan.decode_tank_into(black_box(body), &mut tank).unwrap();
                    of_tank(&tank)
                }
            };
            hash = mix(hash, next);
        }
        hash
    })
}

fn naive_decode<'l>(Bodies { schema, plan, bodies }: Bodies) -> Stage<'l> {
    let schema = Schema::parse_str(&schema).unwrap();
    Box::new(move |turns| {
        let side = plan.side();
        let read = |body: &Vec<u8>| of_fields(side, &naive::read(side, &schema, body).unwrap().unwrap());
        bodies.iter().cycle().take(turns).map(read).fold(0, mix)
    })
}

/// Cheap, and of every kind of field.
fn of_well(well: &WellReading<'_>) -> u64 {
    let well = black_box(well);
    let texts = well.well_id.map_or(0, str::len) * 64 + well.vibration_encoded.map_or(0, str::len);
    let double = well.methane_ppm.map_or(0, f64::to_bits) ^ well.flow_rate_bpd.map_or(0, f64::to_bits);
    texts as u64 ^ double ^ well.timestamp.unwrap_or(0).cast_unsigned()
}

fn of_tank(tank: &TankReading<'_>) -> u64 {
    let tank = black_box(tank);
    let texts = tank.tank_id.map_or(0, str::len) * 64 + tank.leak_detection_status.map_or(0, str::len);
    let double = tank.level_percentage.map_or(0, f64::to_bits) ^ tank.wind_speed_mph.map_or(0, f64::to_bits);
    texts as u64 ^ double ^ tank.timestamp.unwrap_or(0).cast_unsigned()
}

/// The same of the naive twin's table.
fn of_fields(side: Side, fields: &naive::Fields) -> u64 {
    use naive::Field;
    let text = |name| if let Field::Text(text) = &fields[name] { text.len() } else { 0 };
    let double = |name| if let Field::Double(x) = fields[name] { x.to_bits() } else { 0 };
    let (texts, doubles) = match side {
        Side::Well => (["well_id", "vibration_encoded"], ["methane_ppm", "flow_rate_bpd"]),
        Side::Tank => (["tank_id", "leak_detection_status"], ["level_percentage", "wind_speed_mph"]),
    };
    let time = if let Field::Long(time_ms) = fields["timestamp"] { time_ms } else { 0 };
    let texts = (text(texts[0]) * 64 + text(texts[1])) as u64;
    texts ^ double(doubles[0]) ^ double(doubles[1]) ^ time.cast_unsigned()
}

fn parts(load: &Load, side: Side) -> Stage<'_> {
    let rules = ScoreRules::default();
    let (well, tank) = (score::well(400.0, &rules), score::tank(400.0, &rules));
    let encoder = |input: &Input| PartEncoder::new(PartitionId { side, number: input.partition });
    let encoders: Vec<_> = load.inputs.iter().map(encoder).collect();
    // As a lane has them: decoded, their texts in the value.
    let Bodies { plan, bodies, .. } = load.plain(side);
    let (plan, bodies): (&Plan, &[Vec<u8>]) = (Box::leak(Box::new(plan)), bodies.leak());
    let (mut wells, mut tanks) = (Vec::new(), Vec::new());
    for body in bodies {
        match side {
            Side::Well => wells.push(plan.decode_well(body).unwrap()),
            Side::Tank => tanks.push(plan.decode_tank(body).unwrap()),
        }
    }
    rendered(move |out, place| {
        let Input { offset, time_ms, .. } = load.inputs[place];
        let origin = Origin { offset, time_ms, value: &bodies[place] };
        match side {
            Side::Well => encoders[place].well(out, &wells[place], &origin, well),
            Side::Tank => encoders[place].tank(out, &tanks[place], &origin, tank),
        }
    })
}

fn naive_parts(load: &Load, side: Side) -> Stage<'_> {
    let rules = ScoreRules::default();
    let (well, tank) = (score::well(400.0, &rules), score::tank(400.0, &rules));
    rendered(move |out, place| match side {
        Side::Well => naive_part::put_well_part(out, &load.wells[place], load.inputs[place], well),
        Side::Tank => naive_part::put_tank_part(out, &load.tanks[place], load.inputs[place], tank),
    })
}

/// Parts of readings by their place in the load, in a buffer that stays in the caches.
fn rendered<'l>(put: impl Fn(&mut Vec<u8>, usize) + 'l) -> Stage<'l> {
    let mut out = Vec::with_capacity(1 << 20);
    Box::new(move |turns| {
        let mut hash = 0;
        for turn in 0..turns {
            if out.len() > (1 << 20) - 1_024 {
                out.clear();
            }
            let begin = out.len();
            put(&mut out, turn % READINGS);
            hash = mix(hash, sample(&out[begin..]));
        }
        hash
    })
}

fn rows<'l>(
    load: &'l Load,
    mut put: impl FnMut(&mut Vec<u8>, &[u8], &[u8], RowTail) -> u64 + 'l,
) -> Stage<'l> {
    let rules = ScoreRules::default();
    let parts: Vec<_> = (0..READINGS)
        .map(|n| {
            let (mut well, mut tank) = (Vec::new(), Vec::new());
            naive_part::put_well_part(&mut well, &load.wells[n], load.inputs[n], score::well(1.0, &rules));
            naive_part::put_tank_part(&mut tank, &load.tanks[n], load.inputs[n], score::tank(1.0, &rules));
            (well, tank)
        })
        .collect();
    let mut out = Vec::with_capacity(1 << 20);
    Box::new(move |turns| {
        let mut hash = 0;
        for turn in 0..turns {
            let place = turn % READINGS;
            if out.len() > (1 << 20) - 1_024 {
                out.clear();
            }
            let tail =
                RowTail { time_ms: load.inputs[place].time_ms, quality: 70, risk: 80, status: Status::Alert };
            let begin = out.len();
            let places = put(&mut out, &parts[place].0, &parts[place].1, tail);
            hash = mix(hash, places ^ sample(&out[begin..]));
        }
        hash
    })
}

fn scores(load: &Load) -> Stage<'_> {
    let rules = ScoreRules::default();
    Box::new(move |turns| {
        (0..turns).fold(0, |hash, turn| {
            let (well, tank) = (&load.wells[turn % READINGS], &load.tanks[turn % READINGS]);
            let well = score::well(well.methane_ppm.unwrap_or_default(), &rules);
            let tank = score::tank(tank.vapor_concentration_ppm.unwrap_or_default(), &rules);
            mix(hash, u64::from(score::risk(Some(well), Some(tank))))
        })
    })
}

const RULES: RulesHash = RulesHash(0x0123_4567_89AB_CDEF);
