//! Addresses of brokers in replies, made the proxy's own.
//!
//! Enters: a whole reply to Metadata, FindCoordinator or DescribeCluster. Leaves: the same with other
//! addresses. Replies to Produce and Fetch may name a new leader, too, from their latest versions on: that is
//! left as it is, so a cluster whose leaders move must not be led by these.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    DescribeClusterResponse, FindCoordinatorResponse, MetadataResponse, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};

use super::Api;

/// Host and port by which clients are to know a broker; an error says that there can be none.
pub(super) type Map<'m> = dyn FnMut(&str, u16) -> Result<(String, u16), RewriteError> + 'm;

/// Why a reply cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewriteError {
    #[error("a reply to {api}, version {version}, cannot be read: {reason}")]
    Unreadable { api: Api, version: i16, reason: String },
    #[error("no listener for broker {broker}: {reason}")]
    NoListener { broker: String, reason: String },
}

/// A reply, without its length, with every address mapped.
pub(super) fn rewrite(
    api: Api,
    version: i16,
    reply: Vec<u8>,
    map: &mut Map<'_>,
) -> Result<Vec<u8>, RewriteError> {
    match api {
        Api::METADATA => with::<MetadataResponse>(api, version, reply, |reply| {
            reply.brokers.iter_mut().try_for_each(|broker| change(&mut broker.host, &mut broker.port, map))
        }),
        Api::FIND_COORDINATOR => with::<FindCoordinatorResponse>(api, version, reply, |reply| {
            change(&mut reply.host, &mut reply.port, map)?;
            let mut found = reply.coordinators.iter_mut();
            found.try_for_each(|broker| change(&mut broker.host, &mut broker.port, map))
        }),
        Api::DESCRIBE_CLUSTER => with::<DescribeClusterResponse>(api, version, reply, |reply| {
            reply.brokers.iter_mut().try_for_each(|broker| change(&mut broker.host, &mut broker.port, map))
        }),
        _ => Ok(reply),
    }
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

fn change(host: &mut StrBytes, port: &mut i32, map: &mut Map<'_>) -> Result<(), RewriteError> {
    // No coordinator known: an empty host, or port -1.
    let Ok(number) = u16::try_from(*port) else { return Ok(()) };
    if host.is_empty() || number == 0 {
        return Ok(());
    }
    let (to_host, to_port) = map(host, number)?;
    *host = StrBytes::from_string(to_host);
    *port = i32::from(to_port);
    Ok(())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::find_coordinator_response::Coordinator;
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;

    use super::*;

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
        let map: &mut Map<'_> = &mut |host, port| Ok((format!("proxy-of-{host}"), port + 1));
        rewrite(api, version, reply, map).unwrap()
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
        let map: &mut Map<'_> = &mut |host, port| Ok((host.to_owned(), port));
        assert!(rewrite(Api::METADATA, 99, vec![0; 40], map).is_err());
        assert!(rewrite(Api::METADATA, 12, vec![0, 0, 0, 1, 0, 255, 255, 255], map).is_err());
        assert_eq!(rewrite(Api::PRODUCE, 99, vec![1, 2], map).unwrap(), [1, 2]);
    }
}
