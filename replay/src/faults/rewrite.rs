//! Addresses of brokers in replies, made the proxy's own.
//!
//! Enters: a whole reply that names brokers: to Metadata, FindCoordinator, DescribeCluster; to Fetch and
//! Produce from the versions on that name the new leader of a partition that has moved. Leaves: the same with
//! other addresses.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    DescribeClusterResponse, FetchResponse, FindCoordinatorResponse, MetadataResponse, ProduceResponse,
    ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};

use super::Api;

/// Which broker is where, and where clients are to look for it.
pub(super) trait Addresses {
    /// Host and port by which clients are to know a broker.
    fn ours(&mut self, host: &str, port: u16) -> Result<(String, u16), RewriteError>;

    /// The brokers that are known.
    fn known(&self) -> Vec<(String, u16)>;
}

/// Why a reply cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewriteError {
    #[error("a reply to {api}, version {version}, cannot be read: {reason}")]
    Unreadable { api: Api, version: i16, reason: String },
    #[error("no listener for broker {broker}: {reason}")]
    NoListener { broker: String, reason: String },
}

/// A reply, without its length, with every address made ours.
pub(super) fn rewrite(
    api: Api,
    version: i16,
    reply: Vec<u8>,
    to: &mut dyn Addresses,
) -> Result<Vec<u8>, RewriteError> {
    match api {
        Api::METADATA => with::<MetadataResponse>(api, version, reply, |reply| {
            reply.brokers.iter_mut().try_for_each(|broker| change(&mut broker.host, &mut broker.port, to))
        }),
        Api::FIND_COORDINATOR => with::<FindCoordinatorResponse>(api, version, reply, |reply| {
            change(&mut reply.host, &mut reply.port, to)?;
            let mut found = reply.coordinators.iter_mut();
            found.try_for_each(|broker| change(&mut broker.host, &mut broker.port, to))
        }),
        Api::DESCRIBE_CLUSTER => with::<DescribeClusterResponse>(api, version, reply, |reply| {
            reply.brokers.iter_mut().try_for_each(|broker| change(&mut broker.host, &mut broker.port, to))
        }),
        // Most of these name nobody, and stay the bytes that they are.
        Api::FETCH | Api::PRODUCE if !ends_with_address(&reply, to) => Ok(reply),
        Api::FETCH => with::<FetchResponse>(api, version, reply, |reply| {
            let mut leaders = reply.node_endpoints.iter_mut();
            leaders.try_for_each(|broker| change(&mut broker.host, &mut broker.port, to))
        }),
        Api::PRODUCE => with::<ProduceResponse>(api, version, reply, |reply| {
            let mut leaders = reply.node_endpoints.iter_mut();
            leaders.try_for_each(|broker| change(&mut broker.host, &mut broker.port, to))
        }),
        _ => Ok(reply),
    }
}

/// Whether the end of a reply, where new leaders stand, names a broker: a compact string and a port.
fn ends_with_address(reply: &[u8], to: &dyn Addresses) -> bool {
    let end = &reply[reply.len().saturating_sub(LEADERS_BYTES_MAX)..];
    to.known().iter().any(|(host, port)| {
        let length = u8::try_from(host.len() + 1).unwrap_or(u8::MAX);
        let text = [&[length], host.as_bytes(), &i32::from(*port).to_be_bytes()].concat();
        end.windows(text.len()).any(|window| window == text)
    })
}

fn with<M: Decodable + Encodable + HeaderVersion + Message>(
    api: Api,
    version: i16,
    reply: Vec<u8>,
    edit: impl FnOnce(&mut M) -> Result<(), RewriteError>,
) -> Result<Vec<u8>, RewriteError> {
    let failed = |reason: String| RewriteError::Unreadable { api, version, reason };
    if !(M::VERSIONS.min..=M::VERSIONS.max).contains(&version) {
        return Err(failed(format!("versions {} to {} are known", M::VERSIONS.min, M::VERSIONS.max)));
    }
    let mut bytes = Bytes::from(reply);
    let header_version = M::header_version(version);
    let header =
        ResponseHeader::decode(&mut bytes, header_version).map_err(|error| failed(error.to_string()))?;
    let mut message = M::decode(&mut bytes, version).map_err(|error| failed(error.to_string()))?;
    edit(&mut message)?;
    let mut out = BytesMut::new();
    header
        .encode(&mut out, header_version)
        .and_then(|()| message.encode(&mut out, version))
        .map_err(|error| failed(error.to_string()))?;
    Ok(out.to_vec())
}

fn change(host: &mut StrBytes, port: &mut i32, to: &mut dyn Addresses) -> Result<(), RewriteError> {
    // No coordinator known: an empty host, or port -1.
    let Ok(number) = u16::try_from(*port) else { return Ok(()) };
    if host.is_empty() || number == 0 {
        return Ok(());
    }
    let (to_host, to_port) = to.ours(host, number)?;
    *host = StrBytes::from_string(to_host);
    *port = i32::from(to_port);
    Ok(())
}

/// What the leaders of a reply take at most: some thirty bytes a broker, for as many as the proxy knows.
const LEADERS_BYTES_MAX: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::find_coordinator_response::Coordinator;
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;

    use kafka_protocol::messages::fetch_response::NodeEndpoint;
    use kafka_protocol::messages::produce_response;

    use super::*;

    /// Knows broker b at 9092.
    struct Proxies;

    impl Addresses for Proxies {
        fn ours(&mut self, host: &str, port: u16) -> Result<(String, u16), RewriteError> {
            Ok((format!("proxy-of-{host}"), port + 1))
        }

        fn known(&self) -> Vec<(String, u16)> {
            vec![("b".to_owned(), 9_092)]
        }
    }

    fn bytes<M: Encodable + HeaderVersion>(message: &M, version: i16) -> Vec<u8> {
        let mut out = BytesMut::new();
        ResponseHeader::default()
            .with_correlation_id(77)
            .encode(&mut out, M::header_version(version))
            .unwrap();
        message.encode(&mut out, version).unwrap();
        out.to_vec()
    }

    fn moved(api: Api, version: i16, reply: Vec<u8>) -> Vec<u8> {
        rewrite(api, version, reply, &mut Proxies).unwrap()
    }

    #[test]
    fn every_version_of_metadata_names_the_proxy_and_is_else_the_same() {
        let reply = |host: &str, port: u16| {
            let broker = MetadataResponseBroker::default()
                .with_node_id(3.into())
                .with_host(StrBytes::from_string(host.to_owned()))
                .with_port(i32::from(port));
            MetadataResponse::default().with_brokers(vec![broker])
        };
        for version in MetadataResponse::VERSIONS.min..=MetadataResponse::VERSIONS.max {
            let found = moved(Api::METADATA, version, bytes(&reply("b", 9_092), version));
            assert_eq!(found, bytes(&reply("proxy-of-b", 9_093), version), "version {version}");
        }
    }

    #[test]
    fn a_coordinator_is_the_proxy_and_an_unknown_one_stays_unknown() {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let one = |host: &str, port| FindCoordinatorResponse::default().with_host(text(host)).with_port(port);
        assert_eq!(moved(Api::FIND_COORDINATOR, 2, bytes(&one("b", 1), 2)), bytes(&one("proxy-of-b", 2), 2));
        assert_eq!(moved(Api::FIND_COORDINATOR, 2, bytes(&one("", -1), 2)), bytes(&one("", -1), 2));
        let many = |host: &str, port| {
            let found = Coordinator::default().with_host(text(host)).with_port(port);
            FindCoordinatorResponse::default().with_coordinators(vec![found])
        };
        assert_eq!(
            moved(Api::FIND_COORDINATOR, 6, bytes(&many("b", 1), 6)),
            bytes(&many("proxy-of-b", 2), 6)
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(rewrite(Api::METADATA, 99, vec![0; 40], &mut Proxies).is_err());
        assert!(rewrite(Api::METADATA, 12, vec![0, 0, 0, 1, 0, 255, 255, 255], &mut Proxies).is_err());
        assert_eq!(moved(Api::PRODUCE, 99, vec![1, 2]), [1, 2]);
    }

    /// What a broker says after a restart, when it does not lead a partition yet: a client that believed the
    /// address would go past the proxy from then on.
    #[test]
    fn new_leaders_are_the_proxy_too() {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let fetch = |host: &str, port| {
            let leader = NodeEndpoint::default().with_host(text(host)).with_port(port);
            FetchResponse::default().with_node_endpoints(vec![leader])
        };
        let produce = |host: &str, port| {
            let leader = produce_response::NodeEndpoint::default().with_host(text(host)).with_port(port);
            ProduceResponse::default().with_node_endpoints(vec![leader])
        };
        for version in 16..=17 {
            let found = moved(Api::FETCH, version, bytes(&fetch("b", 9_092), version));
            assert_eq!(found, bytes(&fetch("proxy-of-b", 9_093), version), "fetch {version}");
        }
        for version in 10..=12 {
            let found = moved(Api::PRODUCE, version, bytes(&produce("b", 9_092), version));
            assert_eq!(found, bytes(&produce("proxy-of-b", 9_093), version), "produce {version}");
        }
        let plain = bytes(&FetchResponse::default(), 17);
        assert_eq!(moved(Api::FETCH, 17, plain.clone()), plain);
    }
}
