//! The decoder against its naive twin, apache-avro, over random writers' schemas and random values.
//!
//! A failing seed is in the panic's message; `SEED=n` runs that one alone.

#![expect(clippy::unwrap_used, reason = "test helpers: what cannot be done fails the test")]

#[path = "decode_support/writers.rs"]
#[expect(clippy::cast_possible_truncation, reason = "random values may be any")]
mod writers;
#[path = "decode_support/naive.rs"]
mod naive;

use apache_avro::Schema;
use fastrand::Rng;
use naive::Fields;
use wellstream_core::decode::Plan;
use wellstream_core::record::{Reason, Side};
use writers::{SchemaWriter, ValueWriter};

fn decode(plan: &Plan, body: &[u8]) -> Result<Fields, Reason> {
    match plan.side() {
        Side::Well => plan.decode_well(body).map(|reading| naive::of_well(&reading)),
        Side::Tank => plan.decode_tank(body).map(|reading| naive::of_tank(&reading)),
    }
}

/// Calls `check` with a random writer's plan and schema for each seed.
fn for_writers(seeds: u64, mut check: impl FnMut(&str, &Plan, &Schema, &mut Rng)) {
    let chosen = std::env::var("SEED").ok().map(|seed| seed.parse().unwrap());
    for seed in 0..seeds {
        if chosen.is_some_and(|chosen: u64| chosen != seed) {
            continue;
        }
        let mut rng = Rng::with_seed(seed);
        let side = Side::BOTH[usize::from(rng.bool())];
        let json = SchemaWriter::new(&mut rng).record(side);
        let case = format!("seed {seed}, {json}");
        let schema = Schema::parse_str(&json).unwrap_or_else(|error| panic!("{case}: {error}"));
        let plan = Plan::compile(side, &json).unwrap_or_else(|error| panic!("{case}: {error}"));
        check(&case, &plan, &schema, &mut rng);
    }
}

fn random_body(schema: &Schema, rng: &mut Rng) -> Vec<u8> {
    let mut writer = ValueWriter::new(rng, schema);
    let value = writer.value(schema, None);
    let mut body = Vec::new();
    writer.put(&mut body, &value, schema, None);
    body
}

#[test]
fn differential_any_writer_is_read_as_apache_avro_reads_it() {
    let (mut good, mut bad) = (0, 0);
    for_writers(4_000, |case, plan, schema, rng| {
        for _ in 0..8 {
            let body = random_body(schema, rng);
            let expected =
                naive::read(plan.side(), schema, &body).unwrap_or_else(|| panic!("{case}: {body:?}"));
            assert_eq!(decode(plan, &body), expected, "{case}: {body:?}");
            if expected.is_ok() { good += 1 } else { bad += 1 }
        }
    });
    // The generator must not come to make one kind only.
    assert!(good > 10_000 && bad > 1_000, "{good} good, {bad} bad");
}

#[test]
fn differential_a_body_cut_anywhere_is_truncated_and_a_byte_more_is_trailing() {
    for_writers(1_000, |case, plan, schema, rng| {
        let mut body = random_body(schema, rng);
        if decode(plan, &body).is_err() {
            return;
        }
        for cut in 0..body.len() {
            assert_eq!(decode(plan, &body[..cut]), Err(Reason::Truncated), "{case}: {body:?} cut at {cut}");
        }
        body.push(rng.u8(..));
        assert_eq!(decode(plan, &body), Err(Reason::TrailingBytes), "{case}: {body:?}");
    });
}

#[test]
fn differential_a_damaged_body_is_refused_or_read_as_apache_avro_reads_it() {
    let (mut agreed, mut refused) = (0, 0);
    for_writers(2_000, |case, plan, schema, rng| {
        let intact = random_body(schema, rng);
        for _ in 0..16 {
            let mut body = intact.clone();
            for _ in 0..rng.usize(1..4) {
                if !body.is_empty() {
                    let place = rng.usize(..body.len());
                    body[place] = if rng.bool() { rng.u8(..) } else { body[place] ^ (1 << rng.u8(..8)) };
                }
            }
            let ours = decode(plan, &body);
            match (naive::read(plan.side(), schema, &body), &ours) {
                (Some(theirs), Ok(_) | Err(Reason::NotFinite | Reason::WrongType | Reason::BadUtf8)) => {
                    assert_eq!(ours, theirs, "{case}: {body:?}");
                    agreed += 1;
                }
                // It reads a body that ends early as nulls, and looks into what we pass over.
                _ => refused += 1,
            }
        }
    });
    assert!(agreed > 5_000 && refused > 1_000, "{agreed} agreed, {refused} refused");
}

#[test]
fn noise_never_panics() {
    for_writers(2_000, |_, plan, _, rng| {
        for _ in 0..32 {
            let length = rng.usize(..80);
            let body: Vec<u8> = (0..length).map(|_| rng.u8(..) & rng.u8(..)).collect();
            let _ = decode(plan, &body);
        }
    });
}
