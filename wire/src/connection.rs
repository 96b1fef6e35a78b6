//! One connection to one broker. Enters: requests. Leaves: their answers, in order, in buffers that are used
//! again. Drops: nothing; a connection that has failed once answers everything with that error.
//!
//! A request is encoded straight into what is sent, so records are copied once. Nothing blocks but
//! [`Connection::open`], [`Connection::call`] and [`Connection::wait`], each with its bound. Several requests
//! may be on their way: Kafka answers them in order.
//!
//! Rules: Kafka's protocol guide; KIP-35 and KIP-511 (ApiVersions), KIP-584 (features), KIP-152 (SASL).

mod socket;
mod frame;
mod outbox;
mod versions;
mod scram;
mod sasl;
mod tls;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use crate::address::Address;
use crate::clock::{Clock, left, until};
use crate::error::WireError;
use frame::Frames;
use outbox::Outbox;
use socket::Socket;
use versions::Versions;

pub use sasl::{Sasl, ScramHash};
pub use tls::{Authorities, Identity, tls_config};

/// How brokers are talked to.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Our name, as brokers log and limit it.
    pub client_id: String,
    /// What the connection goes over.
    pub security: Security,
    /// Who we are; none where brokers do not ask.
    pub sasl: Option<Sasl>,
    /// Connecting, TLS, credentials and versions together take at most so long.
    pub connect_timeout: Duration,
    /// An answer takes at most so long.
    pub request_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            client_id: "wellstream".to_owned(),
            security: Security::Plaintext,
            sasl: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// What a connection goes over.
#[derive(Clone)]
pub enum Security {
    /// TCP as it is.
    Plaintext,
    /// TLS, see [`tls_config`].
    Tls(Arc<rustls::ClientConfig>),
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Security::Plaintext => "Plaintext",
            Security::Tls(_) => "Tls",
        })
    }
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(i32);

/// An answer: [`Connection::decode`] takes it apart.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The request.
    pub id: RequestId,
    /// Its bytes, header included. Whoever holds them, or a slice, keeps the whole buffer.
    pub frame: Bytes,
}

/// One connection.
pub struct Connection {
    address: Address,
    client_id: StrBytes,
    request_timeout: Duration,
    socket: Socket,
    frames: Frames,
    out: Outbox,
    in_flight: VecDeque<RequestId>,
    next_id: i32,
    versions: Versions,
    failed: Option<WireError>,
}

impl Connection {
    /// Connects, agrees on TLS and versions, shows the credentials: blocks up to the connect time-out, beside
    /// what the system takes to resolve the name.
    ///
    /// # Errors
    /// The broker cannot be reached, refuses, or is none.
    pub fn open(
        address: &Address,
        options: &ClientOptions,
        clock: &dyn Clock,
    ) -> Result<Connection, WireError> {
        let until_ns = until(clock, options.connect_timeout);
        let socket = Socket::connect(address, &options.security, until_ns, clock)?;
        let mut connection = Connection {
            address: address.clone(),
            client_id: StrBytes::from_string(options.client_id.clone()),
            request_timeout: options.request_timeout,
            socket,
            frames: Frames::default(),
            out: Outbox::default(),
            in_flight: VecDeque::new(),
            next_id: 0,
            versions: Versions::default(),
            failed: None,
        };
        connection.versions = versions::ask(&mut connection, until_ns, clock)?;
        if let Some(sasl) = &options.sasl {
            sasl::authenticate(&mut connection, sasl, until_ns, clock)?;
        }
        Ok(connection)
    }

    /// The broker's address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How long an answer may take.
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The highest version of a request that the broker and we have.
    ///
    /// # Errors
    /// There is none.
    pub fn version<R: Request>(&self) -> Result<i16, WireError> {
        self.version_at_most::<R>(i16::MAX)
    }

    /// The highest version of a request, not above `max`, that the broker and we have.
    ///
    /// # Errors
    /// There is none.
    pub fn version_at_most<R: Request>(&self, max: i16) -> Result<i16, WireError> {
        self.versions.common(R::KEY, R::VERSIONS, max).map_err(|reason| WireError::Version {
            broker: self.address.clone(),
            api: api_name(R::KEY),
            reason,
        })
    }

    /// The level of a feature that the cluster has agreed on, such as `transaction.version`; none where the
    /// brokers do not tell it.
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.versions.feature(name)
    }

    /// Requests without an answer so far.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of the answers that somebody still holds, with the room behind them.
    pub fn lent(&self) -> usize {
        self.frames.lent()
    }

    /// Bytes that the broker has sent so far: a long answer on a slow line is not one that does not come.
    pub fn received(&self) -> u64 {
        self.frames.received()
    }

    /// Bytes of requests that the socket has not taken yet.
    pub fn unsent(&self) -> usize {
        self.out.unsent().len()
    }

    /// Encodes a request, and writes as much as the socket takes.
    ///
    /// # Errors
    /// The connection is lost, or the request has fields that its version has not.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<RequestId, WireError> {
        self.alive()?;
        let id = RequestId(self.next_id);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id.0)
            .with_client_id(Some(self.client_id.clone()));
        let put = self.out.put(|out| put_request(out, &header, request, version));
        if let Err(reason) = put {
            let (broker, api) = (self.address.clone(), api_name(R::KEY));
            return Err(WireError::Version { broker, api, reason });
        }
        self.next_id = self.next_id.wrapping_add(1);
        self.in_flight.push_back(id);
        let flushed = self.flush();
        self.note(flushed)?;
        Ok(id)
    }

    /// Writes and reads as far as it goes without waiting. The answers come in the order of the requests.
    ///
    /// # Errors
    /// The connection is lost, or what comes is no answer; it stays so.
    pub fn poll(&mut self) -> Result<Option<Reply>, WireError> {
        self.alive()?;
        let polled = self.poll_alive();
        self.note(polled)
    }

    /// Waits until there is something to read, or to write while something is unsent, at most this long.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn wait(&mut self, timeout: Duration) -> Result<(), WireError> {
        self.alive()?;
        let is_unsent = self.unsent() > 0;
        let waited = self.socket.wait(is_unsent, timeout).map_err(|error| self.lost("waiting", &error));
        self.note(waited)
    }

    /// Sends a request and waits for its answer, up to the request time-out.
    ///
    /// # Errors
    /// The connection is lost, no answer comes in time (the connection is of no use then), or it cannot be
    /// read.
    ///
    /// # Panics
    /// With another request in flight.
    pub fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        clock: &dyn Clock,
    ) -> Result<R::Response, WireError> {
        let until_ns = until(clock, self.request_timeout);
        let frame = self.call_until(request, version, until_ns, clock)?;
        self.read::<R>(frame, version)
    }

    /// Takes an answer apart. Byte strings in it are slices of the frame.
    ///
    /// # Errors
    /// It is not what this version of the answer looks like.
    pub fn decode<R: Request>(frame: Bytes, version: i16) -> Result<R::Response, WireError> {
        decode::<R>(frame, version).map_err(|reason| WireError::Unreadable { api: api_name(R::KEY), reason })
    }

    /// [`Connection::decode`], with the broker's name in its error.
    ///
    /// # Errors
    /// It is not what this version of the answer looks like.
    pub fn read<R: Request>(&self, frame: Bytes, version: i16) -> Result<R::Response, WireError> {
        decode::<R>(frame, version).map_err(|reason| WireError::Damaged {
            broker: self.address.clone(),
            api: api_name(R::KEY),
            reason,
        })
    }

    fn call_until<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        until_ns: u64,
        clock: &dyn Clock,
    ) -> Result<Bytes, WireError> {
        assert!(self.in_flight.is_empty(), "a call waits for its own answer only");
        let begin_ns = clock.now_ns();
        self.send(request, version)?;
        loop {
            if let Some(reply) = self.poll()? {
                return Ok(reply.frame);
            }
            let left = left(clock, until_ns);
            if left.is_zero() {
                let waited_ms = (clock.now_ns() - begin_ns) / 1_000_000;
                let (broker, api) = (self.address.clone(), api_name(R::KEY));
                return self.note(Err(WireError::TimedOut { broker, api, waited_ms }));
            }
            self.wait(left)?;
        }
    }

    fn poll_alive(&mut self) -> Result<Option<Reply>, WireError> {
        self.flush()?;
        let Some(frame) = self.frames.read(&mut self.socket, &self.address)? else {
            // TLS may have to answer what it has just read.
            self.flush()?;
            return Ok(None);
        };
        let damaged = |reason: &str| WireError::Damaged {
            broker: self.address.clone(),
            api: "a request".to_owned(),
            reason: reason.to_owned(),
        };
        let id = frame.first_chunk::<4>().map(|id| RequestId(i32::from_be_bytes(*id)));
        let id = id.ok_or_else(|| damaged("it is too short"))?;
        if self.in_flight.pop_front() != Some(id) {
            return Err(damaged("it answers something else"));
        }
        Ok(Some(Reply { id, frame }))
    }

    fn flush(&mut self) -> Result<(), WireError> {
        let flushed = self.socket.write(self.out.unsent());
        let written = flushed.map_err(|error| self.socket_error("sending", error))?;
        self.out.sent(written);
        Ok(())
    }

    fn alive(&self) -> Result<(), WireError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers an error: nothing of use comes behind it.
    fn note<T>(&mut self, result: Result<T, WireError>) -> Result<T, WireError> {
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn lost(&self, doing: &'static str, error: &std::io::Error) -> WireError {
        socket::lost(&self.address, doing, error)
    }

    fn socket_error(&self, doing: &'static str, error: std::io::Error) -> WireError {
        socket::error(&self.address, doing, error)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

fn put_request<R: Request>(
    out: &mut Vec<u8>,
    header: &RequestHeader,
    request: &R,
    version: i16,
) -> Result<(), String> {
    let begin = out.len();
    let header_version = R::header_version(version);
    let bytes = request.compute_size(version).map_err(|error| error.to_string())?;
    out.reserve(4 + HEADER_BYTES + bytes);
    out.extend_from_slice(&[0; 4]);
    header.encode(out, header_version).map_err(|error| error.to_string())?;
    request.encode(out, version).map_err(|error| error.to_string())?;
    let bytes = i32::try_from(out.len() - begin - 4).map_err(|_| "it is larger than 2 GiB".to_owned())?;
    out[begin..begin + 4].copy_from_slice(&bytes.to_be_bytes());
    Ok(())
}

fn decode<R: Request>(mut frame: Bytes, version: i16) -> Result<R::Response, String> {
    let header_version = R::Response::header_version(version);
    ResponseHeader::decode(&mut frame, header_version).map_err(|error| error.to_string())?;
    let response = R::Response::decode(&mut frame, version).map_err(|error| error.to_string())?;
    if frame.is_empty() { Ok(response) } else { Err(format!("{} bytes too many", frame.len())) }
}

fn api_name(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| format!("request {key}"), |key| format!("{key:?}"))
}

/// What a request's header takes about.
const HEADER_BYTES: usize = 64;
