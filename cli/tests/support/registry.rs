//! A schema registry of a test's own, that goes away and comes back.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wellstream_connectors::MachineClock;

/// Schemas by id, at an address that stays the same while it is away.
pub struct FakeRegistry {
    schemas: BTreeMap<u32, String>,
    address: SocketAddr,
    serving: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    asked: Arc<AtomicU32>,
}

impl FakeRegistry {
    /// Knows these schemas; is away until `start`.
    pub fn new(schemas: &[(u32, &str)]) -> FakeRegistry {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let schemas = schemas.iter().map(|(id, schema)| (*id, (*schema).to_owned())).collect();
        FakeRegistry { schemas, address, serving: None, asked: Arc::default() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests it has answered.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn start(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (schemas, asked, stopping) = (self.schemas.clone(), Arc::clone(&self.asked), Arc::clone(&stop));
        let serving = std::thread::spawn(move || {
            let clock = MachineClock::start();
            while !stopping.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        asked.fetch_add(1, Ordering::Relaxed);
                        // A client that hangs up is no concern of a registry.
                        drop(answer(stream, &schemas));
                    }
                    Err(_) => clock.sleep(Duration::from_millis(5)),
                }
            }
        });
        self.serving = Some((stop, serving));
    }

    /// Goes away: from here on, connections are refused.
    pub fn stop(&mut self) {
        if let Some((stop, serving)) = self.serving.take() {
            stop.store(true, Ordering::Relaxed);
            serving.join().unwrap();
        }
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(mut stream: TcpStream, schemas: &BTreeMap<u32, String>) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut request = [0; 4_096];
    let read = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..read]);
    let id = request.strip_prefix("GET /schemas/ids/").and_then(|rest| rest.split([' ', '?']).next());
    let schema = id.and_then(|id| schemas.get(&id.parse().ok()?));
    let (status, body) = match schema {
        Some(schema) => ("200 OK", serde_json::json!({ "schema": schema }).to_string()),
        None => ("404 Not Found", r#"{"error_code": 40403, "message": "Schema not found"}"#.to_owned()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}
