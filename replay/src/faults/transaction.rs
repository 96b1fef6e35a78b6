//! What frames say of a transaction: whether it is committed or aborted, how that was answered, and answers
//! made a refusal.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    EndTxnRequest, EndTxnResponse, RequestHeader, ResponseHeader, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use super::Api;
use super::rewrite::RewriteError;

/// Whether an `EndTxn`, without its length, commits; `None` where it cannot be read.
pub(super) fn commits(version: i16, request: &[u8]) -> Option<bool> {
    let mut bytes = Bytes::copy_from_slice(request);
    RequestHeader::decode(&mut bytes, EndTxnRequest::header_version(version)).ok()?;
    Some(EndTxnRequest::decode(&mut bytes, version).ok()?.committed)
}

/// The error code in the reply to an `EndTxn`, without its length; `None` where it cannot be read.
pub(super) fn end_code(version: i16, reply: &[u8]) -> Option<i16> {
    let mut bytes = Bytes::copy_from_slice(reply);
    ResponseHeader::decode(&mut bytes, EndTxnResponse::header_version(version)).ok()?;
    Some(EndTxnResponse::decode(&mut bytes, version).ok()?.error_code)
}

/// A reply, without its length, that says this error code of everything: only offsets of a transaction can be
/// refused so.
pub(super) fn refuse(api: Api, version: i16, reply: &[u8], code: i16) -> Result<Vec<u8>, RewriteError> {
    let failed = |reason: String| RewriteError::Unreadable { api, version, reason };
    if api != Api::TXN_OFFSET_COMMIT {
        return Err(failed("no way is known to refuse it".to_owned()));
    }
    let mut bytes = Bytes::copy_from_slice(reply);
    let header_version = TxnOffsetCommitResponse::header_version(version);
    let header =
        ResponseHeader::decode(&mut bytes, header_version).map_err(|error| failed(error.to_string()))?;
    let mut answer =
        TxnOffsetCommitResponse::decode(&mut bytes, version).map_err(|error| failed(error.to_string()))?;
    for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_code = code;
    }
    let mut out = BytesMut::new();
    header
        .encode(&mut out, header_version)
        .and_then(|()| answer.encode(&mut out, version))
        .map_err(|error| failed(error.to_string()))?;
    Ok(out.to_vec())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::txn_offset_commit_response::{
        TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
    };
    use kafka_protocol::protocol::Message;

    use super::*;

    fn request(version: i16, commit: bool) -> Vec<u8> {
        let mut out = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(26)
            .with_request_api_version(version)
            .with_client_id(Some("ws".to_owned().into()));
        header.encode(&mut out, EndTxnRequest::header_version(version)).unwrap();
        EndTxnRequest::default().with_committed(commit).encode(&mut out, version).unwrap();
        out.to_vec()
    }

    fn reply<M: Encodable + HeaderVersion>(message: &M, version: i16) -> Vec<u8> {
        let mut out = BytesMut::new();
        ResponseHeader::default().encode(&mut out, M::header_version(version)).unwrap();
        message.encode(&mut out, version).unwrap();
        out.to_vec()
    }

    #[test]
    fn every_version_tells_a_commit_from_an_abort_and_how_it_was_answered() {
        for version in EndTxnRequest::VERSIONS.min..=EndTxnRequest::VERSIONS.max {
            for commit in [true, false] {
                assert_eq!(commits(version, &request(version, commit)), Some(commit), "version {version}");
            }
            let refused = reply(&EndTxnResponse::default().with_error_code(90), version);
            assert_eq!(end_code(version, &refused), Some(90), "version {version}");
        }
        assert_eq!(commits(3, b"\0\x1a\0\x03"), None);
        assert_eq!(end_code(3, &[0; 3]), None);
    }

    #[test]
    fn offsets_are_refused_for_every_partition_and_nothing_else_is() {
        let partition = |code| TxnOffsetCommitResponsePartition::default().with_error_code(code);
        let answer = |code| {
            let topic = || {
                TxnOffsetCommitResponseTopic::default()
                    .with_partitions(vec![partition(code), partition(code)])
            };
            TxnOffsetCommitResponse::default().with_topics(vec![topic(), topic()])
        };
        for version in TxnOffsetCommitResponse::VERSIONS.min..=TxnOffsetCommitResponse::VERSIONS.max {
            let refused = refuse(Api::TXN_OFFSET_COMMIT, version, &reply(&answer(0), version), 22).unwrap();
            assert_eq!(refused, reply(&answer(22), version), "version {version}");
        }
        assert!(refuse(Api::PRODUCE, 9, &[0; 40], 22).is_err());
    }
}
