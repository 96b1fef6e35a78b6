//! Every stage that is measured, and what it comes to: the same for a stage and its naive twin.

mod codec;
mod exchange;
mod intern;
mod join;

use crate::load::Load;

/// One stage: does so many readings, going on where it was; a number that tells whether it did them.
pub(crate) type Stage<'l> = Box<dyn FnMut(usize) -> u64 + 'l>;

/// Every stage's name, and what its first `READINGS` come to (stages of one result share it).
pub(crate) const STAGES: [(&str, u64); 24] = [
    ("decode_well", WELLS),
    ("decode_tank", TANKS),
    ("decode_well_nullable", WELLS),
    ("decode_tank_nullable", TANKS),
    ("decode_well_foreign", WELLS),
    ("decode_tank_foreign", TANKS),
    ("naive_decode_well", WELLS),
    ("naive_decode_tank", TANKS),
    ("score", SCORES),
    ("well_part", WELL_PARTS),
    ("tank_part", TANK_PARTS),
    ("naive_well_part", WELL_PARTS),
    ("naive_tank_part", TANK_PARTS),
    ("intern", NUMBERS),
    ("intern_long", NUMBERS),
    ("naive_intern", NUMBERS),
    ("exchange", EXCHANGED),
    ("naive_exchange", EXCHANGED),
    ("join_counted", PAIRS),
    ("naive_join_counted", PAIRS),
    ("join_rows", JOINED_ROWS),
    ("naive_join_rows", JOINED_ROWS),
    ("row", ROWS),
    ("naive_row", ROWS),
];

const WELLS: u64 = 0xDDE0_DD0A_1FB1_9740;
const TANKS: u64 = 0xE94D_1012_7849_3CD7;
const WELL_PARTS: u64 = 0xFE95_3CED_9829_2088;
const TANK_PARTS: u64 = 0x8351_16CC_07EC_8CB8;
const ROWS: u64 = 0xEB4C_21D4_57AF_5B24;
const SCORES: u64 = 0x8600_E9A2_FB78_1C41;
const NUMBERS: u64 = 0xBD62_1F3C_AB11_C790;
const EXCHANGED: u64 = 0x3B0A_CD86_7F8F_2584;
const PAIRS: u64 = 0xB2BD_3093_3273_C471;
const JOINED_ROWS: u64 = 0xD12E_E5C4_4953_8B3A;

/// The stage of this name, with nothing done yet.
pub(crate) fn stage<'l>(load: &'l Load, name: &str) -> Stage<'l> {
    codec::stage(load, name)
        .or_else(|| intern::stage(load, name))
        .or_else(|| exchange::stage(load, name))
        .or_else(|| join::stage(load, name))
        .unwrap_or_else(|| panic!("{name} is not among {STAGES:?}"))
}

fn mix(hash: u64, next: u64) -> u64 {
    (hash.rotate_left(5) ^ next).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A few words of what was written: the tests compare all of it.
fn sample(bytes: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    word(0) ^ word(bytes.len() / 2) ^ word(bytes.len() - 8) ^ bytes.len() as u64
}
