//! The registry client and lookup: against a real registry, and against one of our own that goes away and
//! comes back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::registry::{Registry, RegistryClient, RegistryError, RegistrySettings};
use wellstream_core::decode::{SchemaLookup, Schemas};
use wellstream_core::record::Side;
use wellstream_core::schemas::{TANK_DATA, WELL_DATA};

fn await_answer(registry: &Registry, side: Side, id: u32) -> SchemaLookup {
    let clock = MachineClock::start();
    loop {
        match registry.plan(side, id) {
            SchemaLookup::Pending => {}
            answer => return answer,
        }
        assert!(clock.elapsed() < Duration::from_secs(20), "still pending: {:?}", registry.counts());
        clock.sleep(Duration::from_millis(2));
    }
}

#[test]
fn schemas_are_registered_checked_and_read_by_id() {
    let Some(url) = live::address("WELLSTREAM_TEST_REGISTRY") else { return };
    let settings = RegistrySettings::new(&url);
    let client = RegistryClient::new(&settings);
    let subject = format!("{}-value", live::unique("subject"));
    assert_eq!(client.latest(&subject).unwrap(), None);
    assert!(client.is_compatible(&subject, WELL_DATA).unwrap(), "the first of a subject");
    let id = client.register(&subject, WELL_DATA).unwrap();
    assert_eq!(client.register(&subject, WELL_DATA).unwrap(), id, "registering again gives the same id");
    let latest = client.latest(&subject).unwrap().unwrap();
    assert_eq!((latest.id, latest.version), (id, 1));
    assert!(client.is_compatible(&subject, WELL_DATA).unwrap());
    assert_eq!(client.schema(4_000_000).unwrap(), None);

    let registry = Registry::start(&settings).unwrap();
    assert!(
        matches!(registry.plan(Side::Well, id), SchemaLookup::Pending),
        "the first answer waits for nobody"
    );
    let SchemaLookup::Ready(plan) = await_answer(&registry, Side::Well, id) else { panic!("not ready") };
    assert_eq!(plan.side(), Side::Well);
    assert!(matches!(await_answer(&registry, Side::Tank, id), SchemaLookup::Unreadable));
    assert_eq!(registry.counts().pending, 0);
}

#[test]
fn an_id_that_is_not_found_is_given_up_after_the_grace_time_and_not_before() {
    let Some(url) = live::address("WELLSTREAM_TEST_REGISTRY") else { return };
    let mut settings = RegistrySettings::new(&url);
    settings.grace = Duration::from_millis(1_500);
    let registry = Registry::start(&settings).unwrap();
    let clock = MachineClock::start();
    assert!(matches!(await_answer(&registry, Side::Well, 4_000_001), SchemaLookup::GivenUp));
    assert!(clock.elapsed() >= settings.grace, "{:?}", clock.elapsed());
    assert_eq!(registry.counts().given_up, 1);
}

/// A registry of one schema that answers each request by the script's next step, the last step for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    HangUp,
    Busy,
    NotFound,
    Schema,
}

fn serve(listener: TcpListener, steps: &'static [Step], asked: Arc<AtomicU32>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let step = steps.get(number as usize).or(steps.last()).unwrap();
            drop(answer(stream, *step));
        }
    });
}

fn answer(mut stream: TcpStream, step: Step) -> std::io::Result<()> {
    let mut request = [0; 4_096];
    let read = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let (status, body) = match step {
        Step::HangUp => return Ok(()),
        Step::Busy => ("503 Service Unavailable", "{}".to_owned()),
        Step::NotFound => {
            ("404 Not Found", r#"{"error_code": 40403, "message": "Schema not found"}"#.to_owned())
        }
        Step::Schema => ("200 OK", serde_json::json!({ "schema": TANK_DATA }).to_string()),
    };
    assert!(request.contains("GET /schemas/ids/7 "), "{request}");
    let authorized = request.to_lowercase().contains("authorization: basic dtpw");
    let (status, body) = if authorized { (status, body) } else { ("401 Unauthorized", "{}".to_owned()) };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn scripted(steps: &'static [Step]) -> (RegistrySettings, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = RegistrySettings::new(&format!("http://u:p@{}", listener.local_addr().unwrap()));
    let asked = Arc::new(AtomicU32::new(0));
    serve(listener, steps, Arc::clone(&asked));
    (settings, asked)
}

#[test]
fn a_registry_that_is_away_parks_the_id_until_it_is_back() {
    use Step::{Busy, HangUp, NotFound, Schema};
    let (mut settings, asked) = scripted(&[HangUp, NotFound, Busy, NotFound, HangUp, Schema]);
    // "Not found" never lasts that long here: failures in between start the time anew.
    settings.grace = Duration::from_secs(2);
    let registry = Arc::new(Registry::start(&settings).unwrap());
    let lanes: Vec<_> = (0..4)
        .map(|_| {
            let registry = Arc::clone(&registry);
            std::thread::spawn(move || {
                matches!(await_answer(&registry, Side::Tank, 7), SchemaLookup::Ready(_))
            })
        })
        .collect();
    assert!(lanes.into_iter().all(|lane| lane.join().unwrap()));
    let counts = registry.counts();
    assert_eq!((counts.fetched, counts.failed, counts.given_up, counts.pending), (1, 5, 0, 0));
    assert_eq!(asked.load(Ordering::Relaxed), 6, "four lanes ask once");
    // Served for ever, without asking again.
    assert!(matches!(registry.plan(Side::Tank, 7), SchemaLookup::Ready(_)));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}

#[test]
fn a_wrong_password_and_a_dead_address_are_told_apart() {
    let (settings, _) = scripted(&[Step::Schema]);
    let error = RegistryClient::new(&settings.with_credentials("u", "wrong")).schema(7).unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 401, .. }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    let error = RegistryClient::new(&RegistrySettings::new("http://127.0.0.1:1")).schema(7).unwrap_err();
    assert!(error.retry_helps() && error.to_string().contains("127.0.0.1:1"), "{error}");
}
