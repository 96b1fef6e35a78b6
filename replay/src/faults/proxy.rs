//! Listeners on loopback, one per broker.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use wellstream_connectors::MachineClock;

use super::Faults;
use super::link::{Link, serve};
use super::rewrite::{Addresses, RewriteError};
use crate::limits::PROXY_BROKERS_MAX;

/// A proxy in front of brokers; it ends, with every connection, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    bootstrap: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Faults,
    // By broker as its cluster calls it. Added to by whatever connection hears of a broker first.
    listeners: Mutex<BTreeMap<(String, u16), Listener>>,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

/// Why there is no proxy. No retry helps.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Not `HOST:PORT,...`.
    #[error("{text:?} is not HOST:PORT")]
    Address {
        /// What was given.
        text: String,
    },
    /// No port to listen at, no thread, or too many brokers.
    #[error("cannot listen for broker {broker}: {source}")]
    Listen {
        /// Whose place it would take.
        broker: String,
        /// Why.
        source: io::Error,
    },
}

impl Proxy {
    /// Starts in front of these brokers (`HOST:PORT,...`), each with a port of its own on loopback. A broker
    /// may be away: its connections then end at once, as they would without the proxy.
    ///
    /// # Errors
    /// An address that is none, or no port to listen at.
    pub fn start(brokers: &str) -> Result<Proxy, ProxyError> {
        let shared = Arc::new(Shared::default());
        let mut bootstrap = Vec::new();
        for text in brokers.split(',') {
            let bad = || ProxyError::Address { text: text.to_owned() };
            let (host, port) = text.trim().rsplit_once(':').ok_or_else(bad)?;
            let port = port.parse().map_err(|_| bad())?;
            let address = shared
                .listener(host, port)
                .map_err(|source| ProxyError::Listen { broker: text.to_owned(), source })?;
            bootstrap.push(address);
        }
        Ok(Proxy { shared, bootstrap })
    }

    /// Where clients start: `HOST:PORT,...`.
    #[must_use]
    pub fn address(&self) -> String {
        let all: Vec<_> = self.bootstrap.iter().map(ToString::to_string).collect();
        all.join(",")
    }

    /// Its rules and counts.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.faults.close();
        let mut listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in std::mem::take(&mut *listeners).into_values() {
            // Wakes the thread, which then sees that it is over.
            drop(TcpStream::connect(listener.address));
            drop(listener.thread.join());
        }
    }
}

impl Shared {
    /// Where a broker's listener is; there is one from now on.
    fn listener(self: &Arc<Self>, host: &str, port: u16) -> io::Result<SocketAddr> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = (host.to_owned(), port);
        if let Some(listener) = listeners.get(&broker) {
            return Ok(listener.address);
        }
        if listeners.len() >= PROXY_BROKERS_MAX || self.faults.is_closed() {
            return Err(io::Error::other("too many brokers, or the proxy ends"));
        }
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let (shared, to) = (Arc::clone(self), broker.clone());
        let accept = move || shared.accept(&socket, &to);
        let thread = Builder::new().name("proxy accept".to_owned()).spawn(accept)?;
        listeners.insert(broker, Listener { address, thread });
        Ok(address)
    }

    fn accept(self: &Arc<Self>, socket: &TcpListener, broker: &(String, u16)) {
        let clock = MachineClock::start();
        loop {
            let accepted = socket.accept();
            if self.faults.is_closed() {
                return;
            }
            let Ok((client, _)) = accepted else {
                // No more descriptors, for instance: not without a pause.
                clock.sleep(ACCEPT_PAUSE);
                continue;
            };
            let (shared, broker) = (Arc::clone(self), broker.clone());
            let connection = move || shared.connect(client, &broker);
            // A connection without a thread is closed: the client comes again.
            drop(Builder::new().name("proxy replies".to_owned()).spawn(connection));
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, (host, port): &(String, u16)) {
        let Ok(addresses) = (host.as_str(), *port).to_socket_addrs() else { return };
        let mut streams =
            addresses.filter_map(|address| TcpStream::connect_timeout(&address, CONNECT_TIME_MAX).ok());
        let Some(Ok(link)) = streams.next().map(|broker| Link::new(client, broker)) else { return };
        serve(&Arc::new(link), &self.faults, &mut Directory(Arc::clone(self)));
    }
}

/// The listeners, as replies need them.
struct Directory(Arc<Shared>);

impl Addresses for Directory {
    fn ours(&mut self, host: &str, port: u16) -> Result<(String, u16), RewriteError> {
        match self.0.listener(host, port) {
            Ok(address) => Ok((address.ip().to_string(), address.port())),
            Err(error) => {
                Err(RewriteError::NoListener { broker: format!("{host}:{port}"), reason: error.to_string() })
            }
        }
    }

    fn known(&self) -> Vec<(String, u16)> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// Between attempts to accept that fail.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A broker that does not even accept in this time is away.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
