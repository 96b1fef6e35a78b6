//! Answers cut out of what the socket brings, in buffers that come back when nobody looks at them any more: a
//! fetch of megabytes costs neither an allocation nor zeroing each time.

use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::socket::{self, Socket};
use crate::address::Address;
use crate::error::WireError;
use crate::limits::{
    FRAME_BYTES_FIRST, FRAME_BYTES_MAX, FRAME_BYTES_TRUSTED, SPARE_BUFFERS, SPARE_BYTES_MAX,
};

/// The answer that is being read, and buffers for the next.
#[derive(Default)]
pub(super) struct Frames {
    length: [u8; 4],
    length_read: usize,
    /// Bytes of the answer once its length is known.
    bytes: usize,
    /// All of it is initialised; what is read stands before `read`.
    buffer: Vec<u8>,
    read: usize,
    received: u64,
    spare: Arc<Spare>,
}

/// Emptied buffers, by whoever held an answer last.
#[derive(Default)]
struct Spare {
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Bytes of the buffers that somebody holds. Added to by the connection, taken from by whoever lets go;
    /// relaxed, it says nothing of other memory.
    lent: AtomicUsize,
}

/// A buffer on loan.
struct Loan {
    buffer: Vec<u8>,
    bytes: usize,
    spare: Arc<Spare>,
}

impl Frames {
    /// Bytes of the answers that somebody holds, with the room behind them.
    pub(super) fn lent(&self) -> usize {
        self.spare.lent.load(Ordering::Relaxed)
    }

    /// Bytes that have come so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The next whole answer, or none yet.
    pub(super) fn read(&mut self, socket: &mut Socket, broker: &Address) -> Result<Option<Bytes>, WireError> {
        self.read_from(socket, broker)
    }

    fn read_from(&mut self, from: &mut impl Read, broker: &Address) -> Result<Option<Bytes>, WireError> {
        while self.length_read < self.length.len() {
            let rest = &mut self.length[self.length_read..];
            let Some(count) = read_some(from, rest, broker)? else { return Ok(None) };
            self.received += count as u64;
            self.length_read += count;
            if self.length_read == self.length.len() {
                let length = i32::from_be_bytes(self.length);
                self.bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= FRAME_BYTES_MAX).ok_or(
                    WireError::TooLarge {
                        broker: broker.clone(),
                        bytes: i64::from(length),
                        bytes_max: FRAME_BYTES_MAX,
                    },
                )?;
                self.buffer = self.spare.take();
                self.read = 0;
            }
        }
        while self.read < self.bytes {
            if self.read == self.buffer.len() {
                // What is claimed takes memory as it comes.
                let room =
                    (self.buffer.len() * 2).clamp(FRAME_BYTES_FIRST, self.bytes.max(FRAME_BYTES_FIRST));
                if self.buffer.is_empty() {
                    // Fresh memory is zero already: asked for at once it is not written twice.
                    self.buffer = vec![0; self.bytes.clamp(FRAME_BYTES_FIRST, FRAME_BYTES_TRUSTED)];
                } else {
                    self.buffer.resize(room, 0);
                }
            }
            let end = self.bytes.min(self.buffer.len());
            let Some(count) = read_some(from, &mut self.buffer[self.read..end], broker)? else {
                return Ok(None);
            };
            self.received += count as u64;
            self.read += count;
        }
        self.length_read = 0;
        let (buffer, spare) = (std::mem::take(&mut self.buffer), Arc::clone(&self.spare));
        spare.lent.fetch_add(buffer.len(), Ordering::Relaxed);
        Ok(Some(Bytes::from_owner(Loan { buffer, bytes: self.bytes, spare })))
    }
}

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        self.lent.fetch_sub(buffer.len(), Ordering::Relaxed);
        let mut spare = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BUFFERS && buffer.len() <= SPARE_BYTES_MAX {
            spare.push(buffer);
        }
    }
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.bytes]
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.spare.give_back(std::mem::take(&mut self.buffer));
    }
}

/// Reads once; `None` where nothing is there yet.
fn read_some(from: &mut impl Read, into: &mut [u8], broker: &Address) -> Result<Option<usize>, WireError> {
    loop {
        match from.read(into) {
            Ok(0) => {
                let closed = io::Error::new(ErrorKind::UnexpectedEof, "the broker has closed the connection");
                return Err(socket::lost(broker, "reading", &closed));
            }
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(socket::error(broker, "reading", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its pieces one by one, and nothing for a moment between them.
    struct Pieces(Vec<Vec<u8>>, bool);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            let Some(piece) = self.0.first_mut().filter(|_| self.1) else {
                return if self.0.is_empty() && self.1 { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
            };
            let count = piece.len().min(into.len());
            into[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn broker() -> Address {
        Address { host: "b".to_owned(), port: 1 }
    }

    fn framed(bytes: &[u8]) -> Vec<u8> {
        let mut framed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        framed.extend_from_slice(bytes);
        framed
    }

    #[test]
    fn answers_come_whole_however_the_bytes_are_cut() {
        let answers: Vec<Vec<u8>> = [0, 1, 70_000, 300_000, 5].map(|bytes| vec![7; bytes]).into();
        let all: Vec<u8> = answers.iter().flat_map(|answer| framed(answer)).collect();
        for size in [3, 1_000, 65_537, all.len()] {
            let mut from = Pieces(all.chunks(size).map(<[u8]>::to_vec).collect(), false);
            let mut frames = Frames::default();
            for answer in &answers {
                let got = loop {
                    if let Some(got) = frames.read_from(&mut from, &broker()).unwrap() {
                        break got;
                    }
                };
                assert_eq!(&got[..], &answer[..]);
            }
            let end = loop {
                match frames.read_from(&mut from, &broker()) {
                    Ok(None) => {}
                    other => break other,
                }
            };
            assert!(end.unwrap_err().retry_helps());
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_it() {
        let mut frames = Frames::default();
        let mut next = |bytes: &[u8]| {
            let from = framed(bytes);
            frames.read_from(&mut from.as_slice(), &broker()).unwrap().unwrap()
        };
        let first = next(&[1; 100]);
        let place = first.as_ptr();
        let second = next(&[2; 100]);
        assert_ne!(second.as_ptr(), place);
        drop(first);
        let third = next(&[3; 90]);
        assert_eq!((third.as_ptr(), third.len()), (place, 90));
        assert_eq!(frames.lent(), 2 * FRAME_BYTES_FIRST);
        drop((second, third));
        assert_eq!(frames.lent(), 0);
    }

    #[test]
    fn a_claimed_length_takes_no_memory_and_an_absurd_one_is_an_error() {
        let mut frames = Frames::default();
        let mut claim = Pieces(vec![200_000_000_u32.to_be_bytes().to_vec(), vec![0; 10]], false);
        while !claim.0.is_empty() {
            assert_eq!(frames.read_from(&mut claim, &broker()).unwrap(), None);
        }
        assert!(frames.buffer.len() <= FRAME_BYTES_TRUSTED);
        for absurd in [[0xFF; 4], *b"HTTP"] {
            let error = Frames::default().read_from(&mut absurd.as_slice(), &broker()).unwrap_err();
            assert!(matches!(error, WireError::TooLarge { .. }), "{error}");
        }
    }
}
