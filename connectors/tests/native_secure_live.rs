//! The native client over TLS and by SCRAM, on a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::process::Command;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::native::NativeSource;
use wellstream_core::engine::{Source, SourceError};
use wellstream_core::record::{PartitionId, Record, Side};

const WELL: PartitionId = PartitionId { side: Side::Well, number: 0 };

/// A secure listener's address; none where the services have no such listener, as in containers.
fn secure(variable: &str) -> Option<String> {
    live::address("WELLSTREAM_TEST_BROKERS_TLS").filter(|brokers| !brokers.is_empty())?;
    live::address(variable)
}

/// A topic of some megabytes, and where it ends.
fn written(what: &str) -> Option<(TopicNames, i64)> {
    let (_connection, settings, names) = live::prepared(what, 1)?;
    let producer = live::producer(&settings, &[]);
    for i in 0..20_000_i64 {
        live::send(&producer, &names.wells, 0, None, Some(&[i.to_be_bytes(); 30].concat()));
    }
    live::flush(&producer);
    Some((names, 20_000))
}

/// Reads a partition by these overrides, or to the error that ends that.
fn read(brokers: &str, names: &TopicNames, end: i64, overrides: &[&str]) -> Result<(), SourceError> {
    let mut settings = KafkaSettings::new(brokers, "secure");
    for text in overrides {
        settings.add_override(text).unwrap();
    }
    let mut source = NativeSource::open(&settings, names, &[(WELL, 0)], 1).unwrap();
    let clock = MachineClock::start();
    let mut next = 0_i64;
    while next < end {
        let mut visit = |records: &[Record<'_>]| {
            for record in records {
                assert_eq!((record.offset, &record.value.unwrap()[..8]), (next, &next.to_be_bytes()[..]));
                next += 1;
            }
            records.len()
        };
        let polled = source.poll(WELL, 1_000, &mut visit)?;
        assert!(clock.elapsed() < Duration::from_secs(60), "stuck at {polled:?}");
        if polled.taken == 0 {
            clock.sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

#[test]
fn tls_believes_whom_it_is_told_to_believe() {
    let Some(brokers) = secure("WELLSTREAM_TEST_BROKERS_TLS") else { return };
    let Some((names, end)) = written("native-tls") else { return };
    let authority = format!("ssl.ca.location={}", live::address("WELLSTREAM_TEST_TLS_CA").unwrap());
    read(&brokers, &names, end, &["security.protocol=SSL", &authority]).unwrap();
    let anybody = "enable.ssl.certificate.verification=false";
    read(&brokers, &names, end, &["security.protocol=SSL", anybody, &authority]).unwrap();
    // The system's authorities do not know it.
    let error = read(&brokers, &names, end, &["security.protocol=SSL"]).unwrap_err().to_string();
    assert!(error.contains("TLS failed") && error.contains("ssl.ca.location"), "{error}");
}

#[test]
fn scram_proves_the_password_by_both_hashes() {
    let Some(brokers) = secure("WELLSTREAM_TEST_BROKERS_SASL") else { return };
    let Some((names, end)) = written("native-scram") else { return };
    let user = live::unique("user,=");
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-tool");
    for passwords in
        ["SCRAM-SHA-256=[password=secret-256]", "SCRAM-SHA-512=[iterations=8192,password=secret-512]"]
    {
        let mut alter = Command::new(tool);
        alter.args(["configs", "--bootstrap-server", &live::brokers().unwrap()]);
        alter.args(["--alter", "--entity-type", "users", "--entity-name", &user, "--add-config", passwords]);
        let output = alter.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let by = |mechanism: &str, password: &str| {
        let (mechanism, user, password) = (
            format!("sasl.mechanism={mechanism}"),
            format!("sasl.username={user}"),
            format!("sasl.password={password}"),
        );
        read(&brokers, &names, end, &["security.protocol=SASL_PLAINTEXT", &mechanism, &user, &password])
    };
    by("SCRAM-SHA-256", "secret-256").unwrap();
    by("SCRAM-SHA-512", "secret-512").unwrap();
    let error = by("SCRAM-SHA-512", "secret-256").unwrap_err().to_string();
    assert!(error.contains("sasl.password") && !error.contains("secret"), "{error}");
}
