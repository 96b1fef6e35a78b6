//! One connection through the proxy: a thread each way.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::control::{Doom, Faults};
use super::frame::{Frame, Request};
use super::rewrite::{Addresses, RewriteError, rewrite};
use super::transaction::{end_code, refuse};
use super::{Api, Direction};
use crate::limits::{PROXY_HELD_BYTES_MAX, PROXY_REQUESTS_MAX, PROXY_REWRITE_BYTES_MAX};

/// Both ends.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    broker: TcpStream,
    // Written by the thread of requests, emptied by that of replies.
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Requests whose replies have not come.
    requests: VecDeque<Request>,
    /// The client has closed: the link lasts until the last reply is there, so that the broker still obeys.
    client_gone: bool,
    /// A reply has come and is dealt with: the link lasts until that is done, too.
    is_replying: bool,
    /// A request is kept back: it is to reach the broker whatever becomes of the client.
    is_holding: bool,
}

impl Link {
    pub(super) fn new(client: TcpStream, broker: TcpStream) -> io::Result<Link> {
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        Ok(Link { client, broker, asked: Mutex::default() })
    }

    /// Ends the connection on both sides.
    pub(super) fn cut(&self) {
        // Either end may have closed by itself.
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.broker.shutdown(Shutdown::Both));
    }

    /// Passes requests on until the client closes.
    ///
    /// # Errors
    /// Either end broke.
    pub(super) fn requests(&self, faults: &Faults) -> io::Result<()> {
        let (mut from, mut to) = (&self.client, &self.broker);
        while let Some((mut request, mut frame)) = next_request(&mut from)? {
            let doom = faults.judge(request.kind(Direction::Request), frame.len());
            match doom {
                Doom::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
                Doom::Drop => {
                    frame.skip(&mut from)?;
                    continue;
                }
                Doom::Delay(..) | Doom::Hold(_) => frame.keep(&mut from, PROXY_HELD_BYTES_MAX)?,
                Doom::Pass | Doom::Refuse(_) => {}
            }
            if let Doom::Hold(id) = doom {
                request.held_by = Some(id);
                self.asked().is_holding = true;
            }
            faults.wait_out(doom)?;
            self.expect(request);
            frame.pass(&mut from, &mut to)?;
            faults.passed_on(doom, false);
        }
        let mut asked = self.asked();
        asked.client_gone = true;
        if asked.requests.is_empty() && !asked.is_replying {
            self.cut();
        }
        Ok(())
    }

    /// Passes replies on until the broker closes.
    ///
    /// # Errors
    /// Either end broke, or a reply with addresses cannot be read.
    pub(super) fn replies(&self, faults: &Faults, addresses: &mut dyn Addresses) -> io::Result<()> {
        let (mut from, mut to) = (&self.broker, &self.client);
        while let Some((correlation, mut frame)) = Frame::reply(&mut from)? {
            let Some(request) = self.answered(correlation) else {
                frame.pass(&mut from, &mut to)?;
                continue;
            };
            if let Some(id) = request.held_by {
                frame.keep(&mut from, PROXY_HELD_BYTES_MAX)?;
                let is_end = request.api == Api::END_TXN;
                faults.answered(id, is_end.then(|| end_code(request.version, frame.body())).flatten());
            }
            let doom = faults.judge(request.kind(Direction::Reply), frame.len());
            match doom {
                Doom::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
                Doom::Drop => frame.skip(&mut from)?,
                doom => {
                    if doom != Doom::Pass || self.asked().is_holding {
                        frame.keep(&mut from, PROXY_HELD_BYTES_MAX)?;
                    }
                    faults.wait_out(doom)?;
                    let passed = match doom {
                        Doom::Refuse(code) => self.refuse(&request, frame, code),
                        _ => self.pass_reply(&request, frame, addresses),
                    };
                    let mut asked = self.asked();
                    // Whoever was killed does not say so to a thread that keeps its request back.
                    asked.client_gone |= passed.is_err() && asked.is_holding;
                    let is_too_late = asked.client_gone;
                    drop(asked);
                    faults.passed_on(doom, is_too_late);
                    if !is_too_late {
                        passed?;
                    }
                }
            }
            let mut asked = self.asked();
            asked.is_replying = false;
            if asked.client_gone && asked.requests.is_empty() && !asked.is_holding {
                return Ok(());
            }
        }
        Ok(())
    }

    fn pass_reply(&self, request: &Request, frame: Frame, addresses: &mut dyn Addresses) -> io::Result<()> {
        let (mut from, mut to) = (&self.broker, &self.client);
        // Data beyond that is passed on unread: what names a new leader is an error, and small.
        let is_data = [Api::FETCH, Api::PRODUCE].contains(&request.api);
        let is_too_long = is_data && frame.len() > PROXY_REWRITE_BYTES_MAX;
        if !request.api.tells_addresses(request.version) || is_too_long {
            return frame.pass(&mut from, &mut to);
        }
        let reply = frame.whole(&mut from)?;
        self.write_reply(rewrite(request.api, request.version, reply, addresses))
    }

    /// Something else than the broker said.
    fn refuse(&self, request: &Request, frame: Frame, code: i16) -> io::Result<()> {
        let reply = frame.whole(&mut &self.broker)?;
        self.write_reply(refuse(request.api, request.version, &reply, code))
    }

    fn write_reply(&self, reply: Result<Vec<u8>, RewriteError>) -> io::Result<()> {
        let reply = reply.map_err(|error| {
            tracing::error!("{error}");
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        let length = u32::try_from(reply.len()).map_err(io::Error::other)?;
        (&self.client).write_all(&[&length.to_be_bytes()[..], &reply].concat())
    }

    fn expect(&self, request: Request) {
        let mut asked = self.asked();
        if asked.requests.len() >= PROXY_REQUESTS_MAX {
            asked.requests.pop_front();
        }
        asked.requests.push_back(request);
        asked.is_holding = false;
    }

    fn answered(&self, correlation: i32) -> Option<Request> {
        let mut asked = self.asked();
        let place = asked.requests.iter().position(|request| request.correlation == correlation)?;
        asked.is_replying = true;
        asked.requests.remove(place)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next request. A client that was killed may end its connection by a reset: no more than an end, so that
/// what it has sent before is obeyed.
fn next_request(from: &mut &TcpStream) -> io::Result<Option<(Request, Frame)>> {
    match Frame::request(from) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        read => read,
    }
}

/// Serves a connection until it ends, on this thread and one more.
pub(super) fn serve(link: &Arc<Link>, faults: &Faults, addresses: &mut dyn Addresses) {
    if !faults.enter(link) {
        return link.cut();
    }
    let (other, control) = (Arc::clone(link), faults.clone());
    let requests = move || {
        if other.requests(&control).is_err() {
            other.cut();
        }
    };
    match std::thread::Builder::new().name("proxy requests".to_owned()).spawn(requests) {
        Ok(thread) => {
            // Whatever ended it, the other side hears of it.
            drop(link.replies(faults, addresses));
            link.cut();
            drop(thread.join());
        }
        Err(error) => {
            tracing::error!("no thread for a connection: {error}");
            link.cut();
        }
    }
}
