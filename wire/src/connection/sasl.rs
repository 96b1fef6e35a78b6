//! Who we are: SASL PLAIN and SCRAM, inside Kafka's own requests (KIP-152).

use std::fmt;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::Connection;
use super::scram::Scram;
use crate::clock::Clock;
use crate::error::{ErrorCode, WireError};

/// Credentials, and how they are shown. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub enum Sasl {
    /// The password itself: over TLS only, unless the network is trusted.
    Plain {
        /// Who.
        username: String,
        /// The secret.
        password: String,
    },
    /// A proof of the password (RFC 5802).
    Scram {
        /// By which hash.
        hash: ScramHash,
        /// Who.
        username: String,
        /// The secret.
        password: String,
    },
}

/// SCRAM's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Sasl {
    /// Kafka's name of the mechanism.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        match self {
            Sasl::Plain { .. } => "PLAIN",
            Sasl::Scram { hash: ScramHash::Sha256, .. } => "SCRAM-SHA-256",
            Sasl::Scram { hash: ScramHash::Sha512, .. } => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sasl").field(&self.mechanism()).finish()
    }
}

/// Shows the credentials.
pub(super) fn authenticate(
    connection: &mut Connection,
    sasl: &Sasl,
    until_ns: u64,
    clock: &dyn Clock,
) -> Result<(), WireError> {
    let mechanism = sasl.mechanism();
    let version = connection.version_at_most::<SaslHandshakeRequest>(1)?;
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let frame = connection.call_until(&request, version, until_ns, clock)?;
    let answer = connection.read::<SaslHandshakeRequest>(frame, version)?;
    if !ErrorCode(answer.error_code).is_none() {
        let offered: Vec<_> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
        let reason = format!("it takes {}", offered.join(", "));
        return Err(refused(connection, mechanism, reason));
    }
    match sasl {
        Sasl::Plain { username, password } => {
            let secret = format!("\0{username}\0{password}").into_bytes();
            exchange(connection, mechanism, secret, until_ns, clock)?;
        }
        Sasl::Scram { hash, username, password } => {
            let scram = Scram::begin(*hash, username, password)
                .map_err(|reason| refused(connection, mechanism, reason))?;
            let challenge = exchange(connection, mechanism, scram.first(), until_ns, clock)?;
            let (proof, expected) =
                scram.answer(&challenge).map_err(|reason| refused(connection, mechanism, reason))?;
            let verdict = exchange(connection, mechanism, proof, until_ns, clock)?;
            if !expected.is(&verdict) {
                let reason = "the broker does not know the password itself".to_owned();
                return Err(refused(connection, mechanism, reason));
            }
        }
    }
    Ok(())
}

fn exchange(
    connection: &mut Connection,
    mechanism: &'static str,
    bytes: Vec<u8>,
    until_ns: u64,
    clock: &dyn Clock,
) -> Result<Bytes, WireError> {
    let version = connection.version::<SaslAuthenticateRequest>()?;
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(bytes));
    let frame = connection.call_until(&request, version, until_ns, clock)?;
    let answer = connection.read::<SaslAuthenticateRequest>(frame, version)?;
    if ErrorCode(answer.error_code).is_none() {
        return Ok(answer.auth_bytes);
    }
    let reason = answer.error_message.map_or_else(|| ErrorCode(answer.error_code).name(), |m| m.to_string());
    Err(refused(connection, mechanism, reason))
}

fn refused(connection: &Connection, mechanism: &'static str, reason: String) -> WireError {
    WireError::Refused { broker: connection.address.clone(), mechanism, reason }
}
