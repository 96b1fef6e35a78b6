//! Connections and metadata against a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/own.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "a part of it is used")]
mod own;

use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest};
use wellstream_connectors::MachineClock;
use wellstream_wire::address::Address;
use wellstream_wire::cluster::{Cluster, CoordinatorOf};
use wellstream_wire::connection::{ClientOptions, Connection, Sasl, ScramHash};
use wellstream_wire::error::WireError;

fn broker(variable: &str) -> Option<Address> {
    own::address(variable).map(|text| Address::parse(&text).unwrap())
}

fn options(sasl: Option<Sasl>) -> ClientOptions {
    ClientOptions { sasl, ..ClientOptions::default() }
}

fn plain(password: &str) -> Option<Sasl> {
    Some(Sasl::Plain { username: "wellstream".to_owned(), password: password.to_owned() })
}

#[test]
fn versions_and_features_are_agreed_on_and_requests_are_pipelined() {
    let Some(broker) = broker("WELLSTREAM_TEST_BROKERS") else { return };
    let clock = MachineClock::start();
    let mut connection = Connection::open(&broker, &options(None), &clock).unwrap();
    assert!(connection.version::<FetchRequest>().unwrap() >= 16);
    assert_eq!(connection.version_at_most::<FetchRequest>(12).unwrap(), 12);
    assert!(connection.version::<ProduceRequest>().unwrap() >= 9);
    assert!(connection.version_at_most::<FetchRequest>(1).is_err());
    assert_eq!(connection.feature("transaction.version"), Some(2));
    assert_eq!(connection.feature("nonsense"), None);

    let version = connection.version::<MetadataRequest>().unwrap();
    let all = MetadataRequest::default().with_topics(None);
    let sent: Vec<_> = (0..20).map(|_| connection.send(&all, version).unwrap()).collect();
    assert_eq!(connection.in_flight(), 20);
    let mut answered = Vec::new();
    while answered.len() < sent.len() {
        while let Some(reply) = connection.poll().unwrap() {
            let response = Connection::decode::<MetadataRequest>(reply.frame.clone(), version).unwrap();
            assert_eq!(response.brokers.len(), 1);
            assert!(Connection::decode::<ApiVersionsRequest>(reply.frame, 3).is_err());
            answered.push(reply.id);
        }
        connection.wait(Duration::from_secs(10)).unwrap();
    }
    assert_eq!((answered, connection.in_flight()), (sent, 0));
}

#[test]
fn credentials_are_shown_and_wrong_ones_are_an_error_that_no_retry_mends() {
    let Some(broker) = broker("WELLSTREAM_TEST_BROKERS_SASL") else { return };
    let clock = MachineClock::start();
    let mut connection = Connection::open(&broker, &options(plain("wellstream")), &clock).unwrap();
    let version = connection.version::<MetadataRequest>().unwrap();
    connection.call(&MetadataRequest::default(), version, &clock).unwrap();

    let error = Connection::open(&broker, &options(plain("wrong")), &clock).unwrap_err();
    assert!(matches!(error, WireError::Refused { .. }) && !error.retry_helps(), "{error}");
    assert!(error.to_string().contains("sasl.password"), "{error}");
    // No credentials at all: the broker hangs up at the first question.
    let text = broker.to_string();
    let mut cluster = Cluster::new(&text, options(None)).unwrap();
    cluster.refresh(&[], &clock).unwrap_err();
    let scram =
        Sasl::Scram { hash: ScramHash::Sha256, username: "nobody".to_owned(), password: "x".to_owned() };
    let error = Connection::open(&broker, &options(Some(scram)), &clock).unwrap_err();
    assert!(error.is_refusal(), "{error}");
}

#[test]
fn metadata_tell_brokers_and_missing_topics_and_coordinators_are_found() {
    let Some(broker) = broker("WELLSTREAM_TEST_BROKERS") else { return };
    let clock = MachineClock::start();
    let list = format!("127.0.0.1:1,{broker}");
    let mut cluster = Cluster::new(&list, options(None)).unwrap();
    cluster.refresh(&["there-is-no-such-topic"], &clock).unwrap();
    let facts = cluster.topic("there-is-no-such-topic").unwrap();
    assert_eq!(facts.error.map(|code| code.0), Some(3));
    assert_eq!(cluster.leader("there-is-no-such-topic", 0), None);
    for of in [CoordinatorOf::Group, CoordinatorOf::Transaction] {
        let found = cluster.coordinator(of, "wire-connection-live", &clock).unwrap();
        assert_eq!(cluster.broker(found.id), Some(found));
    }
    let nobody = Cluster::new("127.0.0.1:1", options(None)).unwrap().refresh(&[], &clock).unwrap_err();
    assert!(matches!(nobody, WireError::NoBroker { .. }) && nobody.retry_helps(), "{nobody}");
}
