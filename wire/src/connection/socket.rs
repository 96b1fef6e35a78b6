//! TCP, or TLS over it, without waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::Security;
use crate::address::Address;
use crate::clock::{Clock, left};
use crate::error::WireError;

/// A connected socket.
pub(super) struct Socket {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Socket {
    /// Connects to the first of the host's addresses that answers.
    pub(super) fn connect(
        address: &Address,
        security: &Security,
        until_ns: u64,
        clock: &dyn Clock,
    ) -> Result<Socket, WireError> {
        let places = (address.host.as_str(), address.port).to_socket_addrs();
        let places = places.map_err(|failed| lost(address, "resolving its name", &failed))?;
        let mut places: Vec<_> = places.collect();
        places.dedup();
        let mut result = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        for (place, others) in places.iter().zip((1..=places.len()).rev()) {
            // One that swallows everything must leave time for the others.
            let left = left(clock, until_ns) / u32::try_from(others).unwrap_or(u32::MAX);
            if left.is_zero() {
                result = Err(ErrorKind::TimedOut.into());
                break;
            }
            result = TcpStream::connect_timeout(place, left);
            if result.is_ok() {
                break;
            }
        }
        let made = result.and_then(|tcp| {
            tcp.set_nodelay(true)?;
            tcp.set_nonblocking(true)?;
            Ok(tcp)
        });
        let tcp = made.map_err(|failed| lost(address, "connecting", &failed))?;
        let tls = match security {
            Security::Plaintext => None,
            Security::Tls(config) => {
                let refuse = |reason: String| WireError::Tls { broker: address.clone(), reason };
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|failed| refuse(failed.to_string()))?;
                let connection = ClientConnection::new(Arc::clone(config), name);
                Some(Box::new(connection.map_err(|failed| refuse(failed.to_string()))?))
            }
        };
        Ok(Socket { tcp, tls })
    }

    /// Writes as much as goes, and what TLS itself has to say. Returns how many bytes are taken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let mut written = 0;
            while written < bytes.len() {
                match self.tcp.write(&bytes[written..]) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(count) => written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(written);
        };
        let mut written = 0;
        loop {
            let taken = tls.writer().write(&bytes[written..])?;
            written += taken;
            while tls.wants_write() {
                match tls.write_tls(&mut self.tcp) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if taken == 0 {
                return Ok(written);
            }
        }
    }

    /// Waits until there is something to read, or to write if that is wanted.
    pub(super) fn wait(&mut self, is_unsent: bool, timeout: Duration) -> io::Result<()> {
        let mut wanted = PollFlags::IN;
        if let Some(tls) = &mut self.tls {
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            if state.plaintext_bytes_to_read() > 0 {
                return Ok(());
            }
            if tls.wants_write() {
                wanted |= PollFlags::OUT;
            }
        }
        if is_unsent {
            wanted |= PollFlags::OUT;
        }
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.tcp, wanted)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads what is there; `WouldBlock` where nothing is.
impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(into) };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Closed without a word: brokers do that.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            if let Err(error) = tls.process_new_packets() {
                // The other side should hear why; that it cannot matters no more.
                drop(tls.write_tls(&mut self.tcp));
                return Err(io::Error::other(error));
            }
        }
    }
}

/// What an error of the socket means: TLS says its own by `ErrorKind::Other`.
pub(super) fn error(broker: &Address, doing: &'static str, error: io::Error) -> WireError {
    match error.downcast::<rustls::Error>() {
        Ok(error) => WireError::Tls { broker: broker.clone(), reason: error.to_string() },
        Err(error) => lost(broker, doing, &error),
    }
}

/// The connection is lost.
pub(super) fn lost(broker: &Address, doing: &'static str, error: &io::Error) -> WireError {
    WireError::Lost { broker: broker.clone(), doing, reason: error.to_string() }
}
