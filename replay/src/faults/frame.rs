//! Frames: their length and header read, the rest left in the socket until it is known where it goes.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::Api;
use super::control::RuleId;
use super::rule::{Direction, Kind};
use super::transaction::commits;
use crate::limits::{PROXY_HELD_BYTES_MAX, PROXY_REWRITE_BYTES_MAX};

/// What the head of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) api: Api,
    pub(super) version: i16,
    pub(super) correlation: i32,
    pub(super) client: Option<Arc<str>>,
    /// Of an end of a transaction: whether it commits.
    pub(super) commit: Option<bool>,
    /// The rule that held it.
    pub(super) held_by: Option<RuleId>,
}

impl Request {
    /// As rules know it, or the reply to it.
    pub(super) fn kind(&self, direction: Direction) -> Kind<'_> {
        Kind { api: self.api, direction, client: self.client.as_deref(), commit: self.commit }
    }
}

/// A frame whose head was read.
#[derive(Debug)]
pub(super) struct Frame {
    /// Length, header, and what else was read.
    pub(super) bytes: Vec<u8>,
    /// What is still in the socket, bytes.
    pub(super) rest: usize,
}

impl Frame {
    /// A request's head; `None` at the end of the connection.
    pub(super) fn request(from: &mut impl Read) -> io::Result<Option<(Request, Frame)>> {
        let Some(mut frame) = Frame::begin(from, 8)? else { return Ok(None) };
        let [_, _, _, _, a, b, c, d, e, f, g, h] = frame.bytes[..] else { return Err(no_kafka()) };
        let mut client = None;
        if frame.rest >= 2 {
            frame.take(from, 2)?;
            let length = i16::from_be_bytes([frame.bytes[12], frame.bytes[13]]);
            // Negative: null.
            if let Ok(length) = usize::try_from(length) {
                let length = length.min(frame.rest);
                frame.take(from, length)?;
                client = std::str::from_utf8(&frame.bytes[14..]).ok().map(Arc::from);
            }
        }
        let (api, version) = (Api(i16::from_be_bytes([a, b])), i16::from_be_bytes([c, d]));
        let correlation = i32::from_be_bytes([e, f, g, h]);
        let mut request = Request { api, version, correlation, client, commit: None, held_by: None };
        if api == Api::END_TXN {
            frame.keep(from, PROXY_HELD_BYTES_MAX)?;
            request.commit = commits(version, frame.body());
        }
        Ok(Some((request, frame)))
    }

    /// A reply's head and its correlation id; `None` at the end of the connection.
    pub(super) fn reply(from: &mut impl Read) -> io::Result<Option<(i32, Frame)>> {
        let Some(frame) = Frame::begin(from, 4)? else { return Ok(None) };
        let [_, _, _, _, a, b, c, d] = frame.bytes[..] else { return Err(no_kafka()) };
        Ok(Some((i32::from_be_bytes([a, b, c, d]), frame)))
    }

    /// All of it, bytes, its length field included.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.rest
    }

    /// What was read of it behind its length.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[4..]
    }

    fn begin(from: &mut impl Read, head: usize) -> io::Result<Option<Frame>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let rest = usize::try_from(i32::from_be_bytes(length)).map_err(|_| no_kafka())?;
        if rest < head {
            return Err(no_kafka());
        }
        let mut frame = Frame { bytes: length.to_vec(), rest };
        frame.take(from, head)?;
        Ok(Some(frame))
    }

    fn take(&mut self, from: &mut impl Read, count: usize) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.resize(start + count, 0);
        from.read_exact(&mut self.bytes[start..])?;
        self.rest -= count;
        Ok(())
    }

    /// Reads the rest too, where it is no longer than that: what its sender does afterwards changes nothing.
    pub(super) fn keep(&mut self, from: &mut impl Read, bytes_max: usize) -> io::Result<()> {
        if self.rest <= bytes_max { self.take(from, self.rest) } else { Ok(()) }
    }

    /// Reads all of it: what follows the length.
    pub(super) fn whole(mut self, from: &mut impl Read) -> io::Result<Vec<u8>> {
        if self.rest > PROXY_REWRITE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply with addresses is too large"));
        }
        self.take(from, self.rest)?;
        self.bytes.drain(..4);
        Ok(self.bytes)
    }

    /// Passes it on.
    pub(super) fn pass(self, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.bytes)?;
        copy(from, self.rest, |part| to.write_all(part))
    }

    /// Swallows it.
    pub(super) fn skip(self, from: &mut impl Read) -> io::Result<()> {
        copy(from, self.rest, |_| Ok(()))
    }
}

fn copy(
    from: &mut impl Read,
    mut rest: usize,
    mut to: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut part = [0; 16 << 10];
    while rest > 0 {
        let wanted = rest.min(part.len());
        let count = from.read(&mut part[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to(&part[..count])?;
        rest -= count;
    }
    Ok(())
}

fn no_kafka() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a frame of Kafka's protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        [&i32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    #[test]
    fn a_request_tells_who_asks_for_what() {
        let body = [&[0, 24, 0, 5, 0, 0, 1, 0, 0, 2][..], b"ws", &[9; 50_000]].concat();
        let bytes = framed(&body);
        let mut from = &bytes[..];
        let (request, frame) = Frame::request(&mut from).unwrap().unwrap();
        let client = Some(Arc::from("ws"));
        let api = Api::ADD_PARTITIONS_TO_TXN;
        let expected = Request { api, version: 5, correlation: 256, client, commit: None, held_by: None };
        assert_eq!(request, expected);
        assert_eq!(frame.rest, 50_000);
        let mut out = Vec::new();
        frame.pass(&mut from, &mut out).unwrap();
        assert_eq!(out, bytes);
        assert!(Frame::request(&mut from).unwrap().is_none(), "the end");
    }

    #[test]
    fn a_null_client_id_and_none_at_all_are_read() {
        for tail in [&[255, 255, 7][..], &[]] {
            let bytes = framed(&[&[0, 3, 0, 12, 0, 0, 0, 1], tail].concat());
            let (request, frame) = Frame::request(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!((request.api, request.client), (Api::METADATA, None));
            assert_eq!(frame.rest, usize::from(!tail.is_empty()));
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [framed(b"GET"), b"\xff\xff\xff\xff".to_vec(), framed(&[0; 8])[..10].to_vec()] {
            assert!(Frame::request(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
        let mut cut = &framed(&[0; 100])[..50];
        let (_, frame) = Frame::reply(&mut cut).unwrap().unwrap();
        assert!(frame.skip(&mut cut).is_err());
    }
}
