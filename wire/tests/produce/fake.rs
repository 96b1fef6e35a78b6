//! A broker on a socket that answers as a script says: what a producer's connections make of it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, EndTxnRequest, EndTxnResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, ProducerId, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// What it says; to be changed at any time.
#[derive(Default)]
pub(crate) struct Script {
    /// Partitions of each topic.
    pub(crate) partitions: i32,
    /// For so many questions partitions have no leader.
    pub(crate) leaderless: u32,
    /// Codes of the next questions for a coordinator; 0 behind them.
    pub(crate) coordinator: VecDeque<i16>,
    /// Codes of the next ends of transactions; 0 behind them.
    pub(crate) ends: VecDeque<i16>,
    /// Produce requests, and ends of transactions, wait for [`Fake::release`].
    pub(crate) holds: bool,
    /// What was asked, in order.
    pub(crate) asked: Vec<String>,
    connections: usize,
    pub(crate) held: VecDeque<(TcpStream, Vec<u8>)>,
    throttle_ms: i32,
}

/// The broker.
pub(crate) struct Fake {
    pub(crate) address: String,
    port: i32,
    script: Arc<Mutex<Script>>,
}

impl Fake {
    pub(crate) fn start(partitions: i32) -> Arc<Fake> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script { partitions, ..Script::default() }));
        let fake = Arc::new(Fake { address: format!("127.0.0.1:{port}"), port: i32::from(port), script });
        let it = Arc::clone(&fake);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (it, stream) = (Arc::clone(&it), stream.unwrap());
                it.script().connections += 1;
                thread::spawn(move || it.serve(stream));
            }
        });
        fake
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// How often this was asked.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.script().asked.iter().filter(|asked| *asked == what).count()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.script().connections
    }

    /// Answers the oldest request that is held.
    pub(crate) fn release(&self) {
        let (mut stream, reply) = self.script().held.pop_front().unwrap();
        stream.write_all(&reply).unwrap();
    }

    /// From now on produce answers say that nothing is listened to for so long.
    pub(crate) fn throttle(&self, time_ms: i32) {
        self.script().throttle_ms = time_ms;
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut frame).unwrap();
            let api = ApiKey::try_from(i16::from_be_bytes([frame[0], frame[1]])).unwrap();
            let version = i16::from_be_bytes([frame[2], frame[3]]);
            let mut body = Bytes::from(frame);
            let header = RequestHeader::decode(&mut body, api.request_header_version(version)).unwrap();
            let reply = self.answer(api, version, header.correlation_id, body);
            let mut script = self.script();
            if script.holds && matches!(api, ApiKey::Produce | ApiKey::EndTxn) {
                script.held.push_back((stream.try_clone().unwrap(), reply));
                continue;
            }
            drop(script);
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    }

    fn answer(&self, api: ApiKey, version: i16, id: i32, mut body: Bytes) -> Vec<u8> {
        let mut script = self.script();
        let mut what = format!("{api:?}");
        let reply = match api {
            ApiKey::ApiVersions => reply::<ApiVersionsRequest>(&versions(), version, id),
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(&mut body, version).unwrap();
                let leader = if script.leaderless == 0 { 1 } else { -1 };
                script.leaderless = script.leaderless.saturating_sub(1);
                let partition = |number| {
                    MetadataResponsePartition::default()
                        .with_partition_index(number)
                        .with_leader_id(leader.into())
                };
                let topics = request.topics.unwrap().into_iter().map(|topic| {
                    MetadataResponseTopic::default()
                        .with_name(topic.name)
                        .with_partitions((0..script.partitions).map(partition).collect())
                });
                let broker = MetadataResponseBroker::default()
                    .with_node_id(1.into())
                    .with_host(StrBytes::from_static_str("127.0.0.1"))
                    .with_port(self.port);
                let response =
                    MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.collect());
                reply::<MetadataRequest>(&response, version, id)
            }
            ApiKey::FindCoordinator => {
                let coordinator = Coordinator::default()
                    .with_node_id(1.into())
                    .with_host(StrBytes::from_static_str("127.0.0.1"))
                    .with_port(self.port)
                    .with_error_code(script.coordinator.pop_front().unwrap_or(0));
                let response = FindCoordinatorResponse::default().with_coordinators(vec![coordinator]);
                reply::<FindCoordinatorRequest>(&response, version, id)
            }
            ApiKey::InitProducerId => {
                let response = InitProducerIdResponse::default().with_producer_id(ProducerId(9));
                reply::<InitProducerIdRequest>(&response, version, id)
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut body, version).unwrap();
                let response = produced(request).with_throttle_time_ms(script.throttle_ms);
                reply::<ProduceRequest>(&response, version, id)
            }
            ApiKey::EndTxn => {
                let request = EndTxnRequest::decode(&mut body, version).unwrap();
                what = format!("{api:?} {}", request.committed);
                let response = EndTxnResponse::default()
                    .with_error_code(script.ends.pop_front().unwrap_or(0))
                    .with_producer_id(ProducerId(9))
                    .with_producer_epoch(request.producer_epoch + 1);
                reply::<EndTxnRequest>(&response, version, id)
            }
            other => panic!("{other:?} is not in the script"),
        };
        script.asked.push(what);
        reply
    }
}

fn produced(request: ProduceRequest) -> ProduceResponse {
    let topics = request.topic_data.into_iter().map(|topic| {
        let partitions = topic.partition_data.iter();
        let partitions = partitions.map(|it| PartitionProduceResponse::default().with_index(it.index));
        TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partitions.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}

fn versions() -> ApiVersionsResponse {
    let api = |(key, max): (ApiKey, i16)| {
        ApiVersion::default().with_api_key(key as i16).with_min_version(0).with_max_version(max)
    };
    let apis = [
        (ApiKey::Produce, 12),
        (ApiKey::Metadata, 12),
        (ApiKey::FindCoordinator, 4),
        (ApiKey::InitProducerId, 5),
        (ApiKey::EndTxn, 5),
    ];
    let feature = FinalizedFeatureKey::default()
        .with_name(StrBytes::from_static_str("transaction.version"))
        .with_max_version_level(2);
    ApiVersionsResponse::default().with_api_keys(apis.map(api).into()).with_finalized_features(vec![feature])
}

fn reply<R: Request>(response: &R::Response, version: i16, id: i32) -> Vec<u8>
where
    R::Response: Encodable,
{
    let mut bytes = vec![0; 4];
    let header = ResponseHeader::default().with_correlation_id(id);
    header.encode(&mut bytes, R::Response::header_version(version)).unwrap();
    response.encode(&mut bytes, version).unwrap();
    let length = u32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}
