//! Which client reads and writes: the native one where it covers what is asked for, else librdkafka.

use wellstream_core::engine::Source;
use wellstream_core::record::PartitionId;
use wellstream_wire::cluster::{Backoff, Cluster};
use wellstream_wire::error::WireError;
use wellstream_wire::fetch::{VERSION_MAX, VERSION_MIN, served};

use super::capture::NativeCapture;
use super::either::{EitherCapture, EitherSender};
use super::sender::NativeSender;
use super::{NativeSource, Unsupported, fetch_settings, options};
use crate::MachineClock;
use crate::kafka::quarantined::Sender;
use crate::kafka::source::KafkaSource;
use crate::kafka::start::From;
use crate::kafka::topics::Connection;
use crate::kafka::{KafkaError, KafkaSettings, TopicNames};
use crate::machine_clock::Deadline;

/// Which client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientChoice {
    /// The native one where it can, else librdkafka.
    Auto,
    /// The native one, or an error.
    Native,
    /// librdkafka.
    Rdkafka,
}

/// The client that reads and writes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Whether it is the native one.
    pub is_native: bool,
    /// Whether it stands in for the native one, which does not cover what is asked for.
    pub is_fallback: bool,
    /// Why it is this one, for a line of the log.
    pub why: String,
}

/// Why the native client is not taken.
enum Not {
    /// It does not do what is asked for.
    Covered(KafkaError),
    /// No broker has said what it has: that says nothing about the client.
    Known(KafkaError),
}

impl Reader {
    /// Decides: by the settings, then by what a broker says it has. Blocks while it connects, and while no
    /// broker answers, up to the settings' time for that.
    ///
    /// # Errors
    /// No broker answers in time, or it refuses; the native client is asked for and cannot.
    pub fn choose(settings: &KafkaSettings, choice: ClientChoice) -> Result<Reader, KafkaError> {
        let rdkafka = |is_fallback, why: String| Reader { is_native: false, is_fallback, why };
        if choice == ClientChoice::Rdkafka {
            return Ok(rdkafka(false, "as --kafka-client says".to_owned()));
        }
        match (covers(settings), choice) {
            (Ok(why), _) => Ok(Reader { is_native: true, is_fallback: false, why }),
            // Only what will be so next time, too: which client writes must not hang on one lost answer.
            (Err(Not::Covered(error)), ClientChoice::Auto) => Ok(rdkafka(true, error.to_string())),
            (Err(Not::Covered(error) | Not::Known(error)), _) => Err(error),
        }
    }

    /// Opens a lane's source.
    ///
    /// # Errors
    /// A setting that the client refuses.
    pub fn open(
        &self,
        settings: &KafkaSettings,
        names: &TopicNames,
        starts: &[(PartitionId, i64)],
        partitions_total: usize,
    ) -> Result<Box<dyn Source>, KafkaError> {
        Ok(if self.is_native {
            Box::new(NativeSource::open(settings, names, starts, partitions_total)?)
        } else {
            Box::new(KafkaSource::open(settings, names, starts, partitions_total)?)
        })
    }

    /// Opens a sender to these topics.
    ///
    /// # Errors
    /// A setting that the client refuses; by the native client also: a topic is missing, or no broker answers
    /// in time.
    pub fn sender(&self, connection: &Connection, topics: &[&str]) -> Result<EitherSender, KafkaError> {
        Ok(if self.is_native {
            EitherSender::Native(Box::new(NativeSender::open(connection, topics)?))
        } else {
            let topics = topics.iter().map(ToString::to_string).collect();
            EitherSender::Rdkafka(Sender::open(connection)?, topics)
        })
    }

    /// Starts to read these topics, all partitions of each; until their ends as of now if `is_bounded`.
    ///
    /// # Errors
    /// A topic is missing, the brokers do not answer, or refuse.
    pub fn capture(
        &self,
        connection: &Connection,
        topics: &[String],
        from: From,
        is_bounded: bool,
    ) -> Result<EitherCapture, KafkaError> {
        Ok(if self.is_native {
            EitherCapture::Native(Box::new(NativeCapture::open(connection, topics, from, is_bounded)?))
        } else {
            EitherCapture::Rdkafka(connection.capture(topics, from, is_bounded)?)
        })
    }
}

/// Whether the native client can do it: why, or why not.
fn covers(settings: &KafkaSettings) -> Result<String, Not> {
    let setting =
        |error: Unsupported| Not::Covered(KafkaError::Setting { key: error.key, message: error.reason });
    let mut options = options(settings).map_err(setting)?;
    options.connect_timeout = options.connect_timeout.min(settings.connect_timeout);
    fetch_settings(settings, 1).map_err(setting)?;
    let (clock, deadline) = (MachineClock::start(), Deadline::after(settings.connect_timeout));
    let mut cluster =
        Cluster::new(&settings.brokers, options).map_err(|error| Not::Known(refused(&error)))?;
    let mut backoff = Backoff::default();
    loop {
        let error = match cluster.control(&clock).and_then(|connection| served(connection)) {
            Ok(version) => {
                let range = format!("{VERSION_MIN} to {VERSION_MAX}");
                return Ok(format!("the brokers have fetch version {version}, of {range}"));
            }
            Err(error) => error,
        };
        if matches!(error, WireError::Version { .. }) {
            return Err(Not::Covered(refused(&error)));
        }
        let left = deadline.left();
        if left.is_zero() || !error.retry_helps() {
            return Err(Not::Known(refused(&error)));
        }
        clock.sleep(backoff.pause().min(left));
    }
}

fn refused(error: &WireError) -> KafkaError {
    KafkaError::Request {
        request: "asking for the brokers' versions".to_owned(),
        retry: error.retry_helps(),
        reason: format!("{error}. The client over librdkafka is --kafka-client rdkafka"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
    use kafka_protocol::protocol::Encodable;

    use super::*;

    #[test]
    fn what_is_not_covered_goes_to_librdkafka_and_says_why_and_is_an_error_where_native_is_a_must() {
        let mut settings = KafkaSettings::new("127.0.0.1:1", "g");
        settings.add_override("security.protocol=SASL_SSL").unwrap();
        settings.add_override("sasl.mechanism=OAUTHBEARER").unwrap();
        let auto = Reader::choose(&settings, ClientChoice::Auto).unwrap();
        assert!(!auto.is_native && auto.is_fallback && auto.why.contains("OAUTHBEARER"), "{auto:?}");
        let native = Reader::choose(&settings, ClientChoice::Native).unwrap_err();
        assert!(matches!(native, KafkaError::Setting { .. }), "{native}");
        let rdkafka = Reader::choose(&settings, ClientChoice::Rdkafka).unwrap();
        assert!(!rdkafka.is_native && !rdkafka.is_fallback);
    }

    #[test]
    fn a_broker_that_does_not_answer_decides_nothing() {
        let mut settings = KafkaSettings::new("127.0.0.1:1", "g");
        settings.connect_timeout = Duration::from_millis(200);
        for choice in [ClientChoice::Auto, ClientChoice::Native] {
            let error = Reader::choose(&settings, choice).unwrap_err();
            assert!(error.retry_helps() && error.to_string().contains("--kafka-client"), "{error}");
        }
        // Answers that are cut off are asked for again.
        for (fetch, is_native) in [((4, 12), true), ((0, 3), false)] {
            let settings = KafkaSettings::new(&broker(3, fetch), "g");
            let auto = Reader::choose(&settings, ClientChoice::Auto).unwrap();
            assert_eq!((auto.is_native, auto.is_fallback), (is_native, !is_native), "{auto:?}");
        }
    }

    /// Cuts so many connections, then says that it has these versions of fetch.
    fn broker(cuts: usize, (least, highest): (i16, i16)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().skip(cuts) {
                let mut stream = stream.unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
                stream.read_exact(&mut request).unwrap();
                let version = i16::from_be_bytes([request[2], request[3]]);
                let mut reply = request[4..8].to_vec();
                let api = |key, least, highest| {
                    let api = ApiVersion::default().with_api_key(key);
                    api.with_min_version(least).with_max_version(highest)
                };
                // Fetch, ListOffsets, Metadata.
                let apis = vec![api(1, least, highest), api(2, 0, 7), api(3, 0, 12)];
                let response = ApiVersionsResponse::default().with_api_keys(apis);
                response.encode(&mut reply, version).unwrap();
                stream.write_all(&u32::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&reply).unwrap();
                // Until the client goes.
                drop(stream.read(&mut [0]));
            }
        });
        address
    }
}
