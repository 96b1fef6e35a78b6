//! Which versions of which requests a broker has, and the features its cluster has agreed on.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Request, StrBytes, VersionRange};

use super::Connection;
use crate::clock::Clock;
use crate::error::{ErrorCode, WireError};

/// What a broker has.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    /// Key, least and highest version.
    apis: Vec<(i16, VersionRange)>,
    features: Vec<(String, i16)>,
}

impl Versions {
    /// The highest version that both have, or what each has.
    pub(super) fn common(&self, key: i16, ours: VersionRange, max: i16) -> Result<i16, String> {
        let ours = VersionRange { min: ours.min, max: ours.max.min(max) };
        let Some((_, theirs)) = self.apis.iter().find(|(api, _)| *api == key) else {
            return Err("the broker does not have it".to_owned());
        };
        let both = theirs.intersect(&ours);
        if both.is_empty() { Err(format!("it has {theirs}, we have {ours}")) } else { Ok(both.max) }
    }

    pub(super) fn feature(&self, name: &str) -> Option<i16> {
        self.features.iter().find(|(feature, _)| feature == name).map(|(_, level)| *level)
    }

    fn of(response: ApiVersionsResponse) -> Versions {
        let range = |min, max| VersionRange { min, max };
        let apis = response.api_keys.iter();
        let features = response.finalized_features.iter();
        Versions {
            apis: apis.map(|api| (api.api_key, range(api.min_version, api.max_version))).collect(),
            features: features.map(|feature| (feature.name.to_string(), feature.max_version_level)).collect(),
        }
    }
}

/// Asks, from our highest version downwards: a broker that has it not answers as version 0 does.
pub(super) fn ask(
    connection: &mut Connection,
    until_ns: u64,
    clock: &dyn Clock,
) -> Result<Versions, WireError> {
    let mut version = <ApiVersionsRequest as kafka_protocol::protocol::Message>::VERSIONS.max;
    loop {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(StrBytes::from_static_str("wellstream"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        }
        let frame = connection.call_until(&request, version, until_ns, clock)?;
        let code = frame.get(4..6).map_or(0, |code| i16::from_be_bytes([code[0], code[1]]));
        if ErrorCode(code) == ErrorCode::UNSUPPORTED_VERSION && version > 0 {
            version = lower(frame).filter(|lower| *lower < version).unwrap_or(0);
            continue;
        }
        let response = connection.read::<ApiVersionsRequest>(frame, version)?;
        if !ErrorCode(response.error_code).is_none() {
            let (broker, code) = (connection.address.clone(), ErrorCode(response.error_code));
            return Err(WireError::Code { broker, api: "ApiVersions", what: "the broker".to_owned(), code });
        }
        return Ok(Versions::of(response));
    }
}

/// The highest version of this request that the broker has, as its refusal says.
fn lower(mut frame: Bytes) -> Option<i16> {
    frame.try_get_i32().ok()?;
    let response = ApiVersionsResponse::decode(&mut frame, 0).ok()?;
    let versions = Versions::of(response);
    let ours = <ApiVersionsRequest as kafka_protocol::protocol::Message>::VERSIONS;
    versions.common(ApiVersionsRequest::KEY, ours, i16::MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_taken_and_a_gap_is_told() {
        let range = |min, max| VersionRange { min, max };
        let versions = Versions {
            apis: vec![(1, range(4, 17)), (3, range(0, 2))],
            features: vec![("transaction.version".to_owned(), 2)],
        };
        assert_eq!(versions.common(1, range(4, 18), i16::MAX), Ok(17));
        assert_eq!(versions.common(1, range(4, 18), 12), Ok(12));
        assert_eq!(versions.common(3, range(5, 13), i16::MAX), Err("it has 0..2, we have 5..13".to_owned()));
        assert!(versions.common(99, range(0, 1), i16::MAX).is_err());
        assert_eq!(versions.feature("transaction.version"), Some(2));
        assert_eq!(versions.feature("group.version"), None);
    }
}
