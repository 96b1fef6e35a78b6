//! Writes into a buffer whose room was made beforehand, without asking for room at each field.
//!
//! The room is not zeroed first, which takes an `unsafe`: the bytes that were written are counted to the
//! buffer. Written by `Vec::push` and `extend_from_slice`, a part costs twice the instructions.

#![expect(unsafe_code, reason = "bytes written into room that is not zeroed; one bit instruction")]

use std::mem::MaybeUninit;

use base64_simd::Out;

use crate::score::vibration;

use super::reading::{NULL, VALUE};
use super::wire::length_bytes;

/// Appends what `write` writes, at most `bytes_max` bytes.
///
/// # Panics
/// If it writes more.
#[inline(always)]
pub(super) fn append(out: &mut Vec<u8>, bytes_max: usize, write: impl FnOnce(&mut Pen<'_>)) {
    out.reserve(bytes_max);
    let begin = out.len();
    let room = out.spare_capacity_mut();
    let room_bytes = room.len();
    let mut pen = Pen { room };
    write(&mut pen);
    let written = room_bytes - pen.room.len();
    // SAFETY: `room` begins at `begin`; a pen gives up the front of its room only once it is written, and no
    // other pen can stand in its place, since each has a lifetime of its own.
    unsafe { out.set_len(begin + written) };
}

/// The room that is left.
pub(super) struct Pen<'o> {
    room: &'o mut [MaybeUninit<u8>],
}

impl<'o> Pen<'o> {
    /// Writes bytes of a number known beforehand.
    #[inline(always)]
    pub(super) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        let (front, room) = std::mem::take(&mut self.room).split_at_mut(N);
        front.write_copy_of_slice(&bytes);
        self.room = room;
    }

    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    /// Writes all of these: from `N` to twice as many as a rule, which are copied as the first and the last
    /// `N` of them, without a call and without a branch on the length.
    #[inline(always)]
    pub(super) fn about<const N: usize>(&mut self, bytes: &[u8]) {
        let ends = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>());
        let room = std::mem::take(&mut self.room);
        self.room = match ends {
            (Some(first), Some(last)) if bytes.len() <= 2 * N => {
                let (front, rest) = room.split_at_mut(bytes.len());
                front[..N].write_copy_of_slice(first);
                front[bytes.len() - N..].write_copy_of_slice(last);
                rest
            }
            _ => put_bytes(room, bytes),
        };
    }

    /// Writes the first `length` of these, `N` at most as a rule. Where a block of `N` is there to read and
    /// to write, all of it is copied, and what lies behind is written over by what comes next: no call, and
    /// no branch on the length.
    #[inline(always)]
    pub(super) fn front<const N: usize>(&mut self, bytes: &[u8], length: usize) {
        match (bytes.first_chunk::<N>(), self.room.split_first_chunk_mut::<N>()) {
            (Some(block), Some((front, _))) if length <= N => {
                front.write_copy_of_slice(block);
                self.room = &mut std::mem::take(&mut self.room)[length..];
            }
            _ => self.room = put_bytes(std::mem::take(&mut self.room), &bytes[..length]),
        }
    }

    /// The id of a row of both sides, behind its length: the first bytes of two, as many as told.
    #[inline(always)]
    pub(super) fn row_id(&mut self, well: (&[u8], usize), tank: (&[u8], usize)) {
        let id_bytes = well.1 + 1 + tank.1;
        let both = (well.0.first_chunk::<WINDOW>(), tank.0.first_chunk::<WINDOW>());
        match (both, self.room.split_first_chunk_mut::<{ 2 + 2 * WINDOW }>()) {
            ((Some(first), Some(second)), Some((id, _))) if well.1 <= WINDOW && tank.1 <= WINDOW => {
                let [twice, ..] = (2 * id_bytes).to_le_bytes();
                id[0].write(twice);
                id[1..1 + WINDOW].write_copy_of_slice(first);
                id[1 + well.1].write(b'|');
                id[2 + well.1..2 + well.1 + WINDOW].write_copy_of_slice(second);
                self.room = &mut std::mem::take(&mut self.room)[1 + id_bytes..];
            }
            _ => {
                let room = put_long_bytewise(std::mem::take(&mut self.room), 2 * id_bytes as u64);
                let room = put_bytes(put_bytes(room, &well.0[..well.1]), b"|");
                self.room = put_bytes(room, &tank.0[..tank.1]);
            }
        }
    }

    /// A zigzag varint.
    #[inline(always)]
    pub(super) fn long(&mut self, value: i64) {
        let raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
        match self.room.split_first_chunk_mut::<8>() {
            Some(([byte, ..], _)) if raw < 0x80 => {
                byte.write(raw.to_le_bytes()[0]);
                self.room = &mut std::mem::take(&mut self.room)[1..];
            }
            Some((word, _)) if raw >> 56 == 0 => {
                // Groups of 7 bits, one a byte, and a mark on all but the last: no branch on their number.
                let groups = spread(raw);
                let before = (63 - groups.leading_zeros() as usize) / 8;
                let marks = CONTINUES & ((1 << (8 * before)) - 1);
                word.write_copy_of_slice(&(groups | marks).to_le_bytes());
                self.room = &mut std::mem::take(&mut self.room)[before + 1..];
            }
            _ => self.room = put_long_bytewise(std::mem::take(&mut self.room), raw),
        }
    }

    /// Decimal digits.
    #[inline(always)]
    pub(super) fn decimal(&mut self, number: u64) {
        // Partitions, mostly.
        if let digit @ 0..10 = number {
            return self.byte(b'0' + digit.to_le_bytes()[0]);
        }
        match self.room.split_first_chunk_mut::<8>() {
            Some((word, _)) if number < 100_000_000 => {
                let digits = eight_digits(number);
                // Not all are zero: the number is 10 at least.
                let zeros = (digits.trailing_zeros() as usize / 8).min(6);
                word.write_copy_of_slice(&((digits | ZEROS) >> (8 * zeros)).to_le_bytes());
                self.room = &mut std::mem::take(&mut self.room)[8 - zeros..];
            }
            _ => self.room = put_decimal(std::mem::take(&mut self.room), number),
        }
    }

    /// Bytes that will be written later: must be, before the pen is given back.
    #[inline(always)]
    pub(super) fn reserve<const N: usize>(&mut self) -> &'o mut [MaybeUninit<u8>] {
        let (front, room) = std::mem::take(&mut self.room).split_at_mut(N);
        front.write_copy_of_slice(&[0; N]);
        self.room = room;
        front
    }

    /// How much room is left, bytes.
    #[inline(always)]
    pub(super) fn room_bytes(&self) -> usize {
        self.room.len()
    }

    /// Length and text.
    #[inline(always)]
    pub(super) fn text(&mut self, text: &[u8]) {
        match self.room.split_first_chunk_mut::<{ 1 + WINDOW }>() {
            Some(([length, window @ ..], _)) if text.len() <= WINDOW => {
                let [twice, ..] = (2 * text.len()).to_le_bytes();
                length.write(twice);
                copy_short(window, text);
                self.room = &mut std::mem::take(&mut self.room)[1 + text.len()..];
            }
            _ => self.room = put_text(std::mem::take(&mut self.room), text),
        }
    }

    /// Length and text, which lies in `value`: with its neighbours, so that its length is no branch.
    #[inline(always)]
    pub(super) fn text_of(&mut self, value: &[u8], text: &[u8]) {
        match (block_at(value, text), self.room.split_first_chunk_mut::<{ 1 + WINDOW }>()) {
            (Some(block), Some(([length, window @ ..], _))) => {
                let [twice, ..] = (2 * text.len()).to_le_bytes();
                length.write(twice);
                window.write_copy_of_slice(&block);
                self.room = &mut std::mem::take(&mut self.room)[1 + text.len()..];
            }
            _ => self.text(text),
        }
    }

    /// A union of null and text, which lies in `value`.
    #[inline(always)]
    pub(super) fn nullable_text(&mut self, value: &[u8], text: Option<&str>) {
        let Some(text) = text else { return self.byte(NULL) };
        self.byte(VALUE);
        self.text_of(value, text.as_bytes());
    }

    /// A union of null and a long, or an int.
    #[inline(always)]
    pub(super) fn nullable_long(&mut self, value: Option<i64>) {
        let Some(value) = value else { return self.byte(NULL) };
        self.value_long(value);
    }

    /// The second branch, and a long, or an int.
    #[inline(always)]
    pub(super) fn value_long(&mut self, value: i64) {
        self.byte(VALUE);
        self.long(value);
    }

    /// Unions of null and a boolean.
    #[inline(always)]
    pub(super) fn nullable_flags<const N: usize>(&mut self, flags: [Option<bool>; N]) {
        for flag in flags {
            match flag {
                None => self.byte(NULL),
                Some(flag) => self.array([VALUE, u8::from(flag)]),
            }
        }
    }

    /// Unions of null and a double, at once if none is null.
    #[inline(always)]
    pub(super) fn nullable_doubles<const N: usize>(&mut self, doubles: [Option<f64>; N]) {
        let room = std::mem::take(&mut self.room);
        if doubles.iter().any(Option::is_none) {
            self.room = put_doubles_one_by_one(room, &doubles);
            return;
        }
        let (front, room) = room.split_at_mut(9 * N);
        for (place, double) in front.as_chunks_mut::<9>().0.iter_mut().zip(doubles) {
            let [branch, value @ ..] = place;
            branch.write(VALUE);
            value.write_copy_of_slice(&double.unwrap_or_default().to_le_bytes());
        }
        self.room = room;
    }

    /// Length and text of a vibration, decoded.
    #[inline(always)]
    pub(super) fn vibration(&mut self, encoded: Option<&str>) {
        let Some(encoded) = encoded else { return self.text(vibration::MISSING.as_bytes()) };
        if encoded.len() > vibration::SHORT_BYTES_MAX {
            self.room = put_long_vibration(std::mem::take(&mut self.room), encoded);
            return;
        }
        match vibration::decode_short(encoded) {
            Some((bytes, length)) => self.text(&bytes[..length]),
            None => self.text(vibration::DECODE_ERROR.as_bytes()),
        }
    }
}

// The rare ways take and give the room by value: a pen whose address they had could not stay in registers.

type Room<'o> = &'o mut [MaybeUninit<u8>];

#[inline(never)]
fn put_bytes<'o>(room: Room<'o>, bytes: &[u8]) -> Room<'o> {
    let (front, room) = room.split_at_mut(bytes.len());
    front.write_copy_of_slice(bytes);
    room
}

#[inline(never)]
fn put_text<'o>(room: Room<'o>, text: &[u8]) -> Room<'o> {
    put_bytes(put_long_bytewise(room, 2 * text.len() as u64), text)
}

#[inline(never)]
fn put_long_bytewise(mut room: Room<'_>, mut raw: u64) -> Room<'_> {
    loop {
        let (front, rest) = room.split_at_mut(1);
        let [low, ..] = raw.to_le_bytes();
        raw >>= 7;
        front[0].write(if raw == 0 { low } else { low | 0x80 });
        room = rest;
        if raw == 0 {
            return room;
        }
    }
}

#[inline(never)]
fn put_decimal(room: Room<'_>, number: u64) -> Room<'_> {
    put_bytes(room, itoa::Buffer::new().format(number).as_bytes())
}

#[cold]
#[inline(never)]
fn put_doubles_one_by_one<'o>(mut room: Room<'o>, doubles: &[Option<f64>]) -> Room<'o> {
    for double in doubles {
        room = match double {
            None => put_bytes(room, &[NULL]),
            Some(double) => put_bytes(put_bytes(room, &[VALUE]), &double.to_le_bytes()),
        };
    }
    room
}

#[inline(never)]
fn put_long_vibration<'o>(room: Room<'o>, encoded: &str) -> Room<'o> {
    let length = vibration::decoded_bytes_max(encoded);
    let (_, behind) = room.split_at_mut(length_bytes(length));
    let decoded = base64_simd::STANDARD.decode(encoded.as_bytes(), Out::from_uninit_slice(behind));
    if decoded.is_ok_and(|bytes| bytes.len() == length && vibration::is_utf8(bytes)) {
        // What is passed over was written just now, by the decoder.
        &mut put_long_bytewise(room, 2 * length as u64)[length..]
    } else {
        put_text(room, vibration::DECODE_ERROR.as_bytes())
    }
}

/// Bytes up to which a text is written as words that overlap, without a call.
const WINDOW: usize = 16;

/// A text of up to sixteen bytes that lies in `value`, with what stands behind it; near the value's end moved
/// to the front from what stands before it. `None` where it is longer, lies elsewhere, or the value is short.
#[inline(always)]
fn block_at(value: &[u8], text: &[u8]) -> Option<[u8; WINDOW]> {
    // Only a slice of the value has an address within it: any other one gives a place that it has not.
    let at = text.as_ptr().addr().wrapping_sub(value.as_ptr().addr());
    if text.len() > WINDOW {
        return None;
    }
    if let Some(block) = value.get(at..).and_then(<[u8]>::first_chunk) {
        return Some(*block);
    }
    let block = value.get(..at.wrapping_add(text.len()))?.last_chunk::<WINDOW>()?;
    let before = 8 * u32::try_from(WINDOW - text.len()).unwrap_or(0);
    Some(u128::from_le_bytes(*block).checked_shr(before).unwrap_or(0).to_le_bytes())
}

/// Copies up to sixteen bytes by the first and the last word of them.
#[inline(always)]
fn copy_short(to: &mut [MaybeUninit<u8>; WINDOW], from: &[u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<8>(), from.last_chunk::<8>()) {
        to[..8].write_copy_of_slice(first);
        to[from.len() - 8..from.len()].write_copy_of_slice(last);
    } else if let (Some(first), Some(last)) = (from.first_chunk::<4>(), from.last_chunk::<4>()) {
        to[..4].write_copy_of_slice(first);
        to[from.len() - 4..from.len()].write_copy_of_slice(last);
    } else if let (Some(first), Some(last)) = (from.first_chunk::<2>(), from.last_chunk::<2>()) {
        to[..2].write_copy_of_slice(first);
        to[from.len() - 2..from.len()].write_copy_of_slice(last);
    } else if let [byte] = from {
        to[0].write(*byte);
    }
}

/// 56 bits as eight groups of 7 bits, one a byte.
#[cfg(all(target_arch = "x86_64", target_feature = "bmi2"))]
#[inline(always)]
fn spread(raw: u64) -> u64 {
    // SAFETY: the program is compiled for machines that have it.
    unsafe { std::arch::x86_64::_pdep_u64(raw, !CONTINUES) }
}

/// 56 bits as eight groups of 7 bits, one a byte.
#[cfg(not(all(target_arch = "x86_64", target_feature = "bmi2")))]
#[inline(always)]
fn spread(raw: u64) -> u64 {
    portable_spread(raw)
}

/// The same on any machine.
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "bmi2"))))]
#[inline(always)]
const fn portable_spread(raw: u64) -> u64 {
    let halves = (raw & 0x0FFF_FFFF) | ((raw & 0x00FF_FFFF_F000_0000) << 4);
    let fours = (halves & 0x0000_3FFF_0000_3FFF) | ((halves & 0x0FFF_C000_0FFF_C000) << 2);
    (fours & 0x007F_007F_007F_007F) | ((fours & 0x3F80_3F80_3F80_3F80) << 1)
}

/// A number below 10^8 as eight decimal digits, the first in the lowest byte: halves, then quarters, then
/// eighths, each in its lane.
#[inline(always)]
const fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((quarters - tens * 10) << 8)
}

/// The digit 0, eight times.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The bit of each byte that says "another one follows".
const CONTINUES: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests;
