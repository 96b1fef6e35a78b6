//! Which client reads and writes: the native one where it covers what is asked for, else librdkafka.

use wellstream_core::engine::Source;
use wellstream_core::record::PartitionId;
use wellstream_wire::cluster::Cluster;
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
    /// Why it is this one, for a line of the log.
    pub why: String,
}

impl Reader {
    /// Decides: by the settings, then by what a broker says it has. Blocks while it connects.
    ///
    /// # Errors
    /// The native client is asked for and cannot.
    pub fn choose(settings: &KafkaSettings, choice: ClientChoice) -> Result<Reader, KafkaError> {
        let rdkafka = |why: String| Reader { is_native: false, why };
        if choice == ClientChoice::Rdkafka {
            return Ok(rdkafka("as --kafka-client says".to_owned()));
        }
        match (covers(settings), choice) {
            (Ok(why), _) => Ok(Reader { is_native: true, why }),
            (Err(error), ClientChoice::Native) => Err(error),
            (Err(error), _) => Ok(rdkafka(error.to_string())),
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
fn covers(settings: &KafkaSettings) -> Result<String, KafkaError> {
    let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
    let options = options(settings).map_err(uncovered)?;
    fetch_settings(settings, 1).map_err(uncovered)?;
    let clock = MachineClock::start();
    let version = Cluster::new(&settings.brokers, options).and_then(|mut cluster| {
        let connection = cluster.control(&clock)?;
        served(connection)
    });
    let refused = |error: wellstream_wire::error::WireError| KafkaError::Request {
        request: "asking for the brokers' versions".to_owned(),
        retry: error.retry_helps(),
        reason: error.to_string(),
    };
    let version = version.map_err(refused)?;
    Ok(format!("the brokers have fetch version {version}, of {VERSION_MIN} to {VERSION_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_covered_goes_to_librdkafka_and_says_why_and_is_an_error_where_native_is_a_must() {
        let mut settings = KafkaSettings::new("127.0.0.1:1", "g");
        settings.add_override("security.protocol=SASL_SSL").unwrap();
        settings.add_override("sasl.mechanism=OAUTHBEARER").unwrap();
        let auto = Reader::choose(&settings, ClientChoice::Auto).unwrap();
        assert!(!auto.is_native && auto.why.contains("OAUTHBEARER"), "{auto:?}");
        let native = Reader::choose(&settings, ClientChoice::Native).unwrap_err();
        assert!(matches!(native, KafkaError::Setting { .. }), "{native}");
        assert!(!Reader::choose(&settings, ClientChoice::Rdkafka).unwrap().is_native);
        // No broker: librdkafka says what is wrong, as it always has.
        let settings = KafkaSettings::new("127.0.0.1:1", "g");
        assert!(!Reader::choose(&settings, ClientChoice::Auto).unwrap().is_native);
        assert!(Reader::choose(&settings, ClientChoice::Native).unwrap_err().retry_helps());
    }
}
