//! What is to be sent, in one buffer. Enters: requests, encoded straight into it. Leaves: their bytes, as the
//! socket takes them. Drops: nothing; what has been sent gives its room back, also while more comes than
//! goes.

use crate::limits::{SEND_BYTES_KEPT, SEND_BYTES_MOVED};

/// Bytes on their way to the socket.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// All before it is sent.
    sent: usize,
}

impl Outbox {
    /// Appends what `put` writes; with an error nothing.
    pub(super) fn put<E>(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let begin = self.bytes.len();
        let done = put(&mut self.bytes);
        if done.is_err() {
            self.bytes.truncate(begin);
        }
        done
    }

    /// What the socket has not taken yet.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// So many more bytes are sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            self.bytes.shrink_to(SEND_BYTES_KEPT);
        } else if self.sent >= SEND_BYTES_MOVED && self.sent >= self.bytes.len() - self.sent {
            // What moves is no more than what has been sent since it moved last.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More is put than taken, for a while: the buffer holds what is unsent, not all that ever was.
    #[test]
    fn what_has_been_sent_is_not_held_and_the_rest_comes_in_order() {
        let mut outbox = Outbox::default();
        let (mut put, mut taken) = (0_u32, Vec::new());
        let mut most = 0;
        while put < 2_000_000 {
            outbox
                .put(|bytes| {
                    for number in put..put + 50_000 {
                        bytes.extend_from_slice(&number.to_be_bytes());
                    }
                    Ok::<(), String>(())
                })
                .unwrap();
            put += 50_000;
            // Never all of it: two requests are always on their way.
            let count = outbox.unsent().len().saturating_sub(300_004);
            taken.extend(outbox.unsent()[..count].chunks(4).map(|word| word[0]));
            outbox.sent(count);
            most = most.max(outbox.bytes.len());
        }
        assert!(most < 4 * SEND_BYTES_MOVED, "{most} bytes for 500 kB that are unsent");
        let left = outbox.unsent().to_vec();
        let expected: Vec<u8> = (0..put).map(|number| number.to_be_bytes()[0]).collect();
        taken.extend(left.chunks(4).map(|word| word[0]));
        assert!(taken == expected);
        outbox.sent(left.len());
        assert_eq!(outbox.bytes.len(), 0);
        assert_eq!(
            outbox.put(|bytes| {
                bytes.push(1);
                Err("no")
            }),
            Err("no")
        );
        assert!(outbox.unsent().is_empty());
    }
}
