//! What other clients write, read by the wire and printed by Java's console consumer: the same records.
//!
//! Java's producer (`wire/tests/java`) and librdkafka write by every codec and mixed, with transactions that
//! commit and abort between one another, and values from nothing to 10 MB. `WELLSTREAM_SIZE=full` for more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_wire::batch::Record;
use wellstream_wire::cluster::Cluster;
use wellstream_wire::connection::ClientOptions;
use wellstream_wire::fetch::{FetchSettings, FetchStart, Fetcher};

/// Digests of printed records, by partition and offset.
type Printed = BTreeMap<(i32, i64), u64>;

const PARTITIONS: u32 = 7;
/// Written by both clients at once.
const SHARED: i32 = 3;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const LARGE_BYTES: usize = 10_000_000;
const NULL: &[u8] = b"~null~";

/// Records of each kind, and how many rounds of 10 MB by each codec.
fn size() -> (usize, usize) {
    match std::env::var("WELLSTREAM_SIZE").as_deref() {
        Ok("full") => (200_000, 6),
        _ => (1_500, 1),
    }
}

fn tool(words: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-tool"));
    command.args(words).stdin(Stdio::null());
    command
}

fn digest(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

/// A record as the console consumer prints it.
fn line(partition: i32, record: &Record<'_>) -> Vec<u8> {
    let mut line =
        format!("CreateTime:{}\tPartition:{partition}\tOffset:{}\t", record.timestamp_ms, record.offset)
            .into_bytes();
    if record.headers.is_empty() {
        line.extend_from_slice(b"NO_HEADERS");
    }
    for (number, header) in record.headers.clone().enumerate() {
        let header = header.unwrap();
        if number > 0 {
            line.push(b',');
        }
        line.extend_from_slice(header.key);
        line.push(b':');
        line.extend_from_slice(header.value.unwrap_or(NULL));
    }
    for field in [record.key, record.value] {
        line.push(b'\t');
        line.extend_from_slice(field.unwrap_or(NULL));
    }
    line
}

/// What the wire reads up to these ends.
fn read(brokers: &str, topic: &str, ends: &[i64]) -> Printed {
    let clock = MachineClock::start();
    let cluster = Cluster::new(brokers, ClientOptions::default()).unwrap();
    let start = |partition| FetchStart { topic: topic.to_owned(), partition, offset: 0 };
    let starts: Vec<FetchStart> = (0..).take(ends.len()).map(start).collect();
    let mut fetcher = Fetcher::new(cluster, &starts, FetchSettings::default(), Arc::new(clock));
    let mut read = Printed::new();
    while (0..ends.len()).any(|index| fetcher.position(index) < ends[index]) {
        fetcher.drive().unwrap();
        let mut taken = 0;
        for start in &starts {
            let index = usize::try_from(start.partition).unwrap();
            let shown = fetcher.show(index, &mut |run| {
                let (mut count, mut next) = (0, 0);
                for record in run.map(Result::unwrap) {
                    let place = (start.partition, record.offset);
                    assert!(
                        read.insert(place, digest(&line(start.partition, &record))).is_none(),
                        "{place:?}"
                    );
                    (count, next) = (count + 1, record.offset + 1);
                }
                (count, next)
            });
            taken += shown.map_or(0, Result::unwrap);
        }
        assert!(clock.elapsed() < Duration::from_secs(300), "stuck: {} records", read.len());
        if taken == 0 {
            clock.sleep(Duration::from_millis(1));
        }
    }
    read
}

/// What Java's console consumer prints of the topic until nothing more has come for so long.
fn print(brokers: &str, topic: &str, quiet_ms: &str) -> Printed {
    let mut consume = tool(&["consume", "--bootstrap-server", brokers, "--topic", topic, "--from-beginning"]);
    consume.args(["--isolation-level", "read_committed", "--timeout-ms", quiet_ms]);
    consume.args(["--consumer-property", "fetch.max.bytes=16000000"]);
    let null = format!("null.literal={}", std::str::from_utf8(NULL).unwrap());
    let shown = ["print.timestamp", "print.partition", "print.offset", "print.headers", "print.key"];
    for property in shown.map(|name| format!("{name}=true")).iter().chain(&[null]) {
        consume.args(["--property", property]);
    }
    let mut consumer = consume.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::with_capacity(1 << 20, consumer.stdout.take().unwrap());
    let (mut printed, mut text) = (Printed::new(), Vec::new());
    while out.read_until(b'\n', &mut text).unwrap() > 0 {
        let line = text.strip_suffix(b"\n").unwrap();
        let mut numbers = line.splitn(4, |byte| *byte == b'\t').map(|field| {
            let number = field.rsplit(|byte| *byte == b':').next().unwrap();
            std::str::from_utf8(number).unwrap_or_default().parse::<i64>().unwrap_or(-1)
        });
        let (partition, offset) = (numbers.nth(1).unwrap(), numbers.next().unwrap());
        let place = (i32::try_from(partition).unwrap(), offset);
        let front = String::from_utf8_lossy(&line[..line.len().min(200)]);
        assert!(partition >= 0 && offset >= 0, "what is that? {front}");
        assert!(printed.insert(place, digest(line)).is_none(), "{place:?} twice");
        text.clear();
    }
    let ended = consumer.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("Processed a total of"), "{said}");
    printed
}

/// Bytes without a tab or a line feed, half of which can be compressed.
fn bytes(random: &mut fastrand::Rng, count: usize) -> Vec<u8> {
    let noise = |random: &mut fastrand::Rng| match random.u8(..) {
        b'\t' | b'\n' => b'-',
        byte => byte,
    };
    (0..count).map(|i| if i % 32 < 16 { noise(random) } else { b'y' }).collect()
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, bytes_max: usize, random: &mut fastrand::Rng) {
    let key = (random.u8(..4) > 0).then(|| {
        let count = random.usize(..20);
        bytes(random, count)
    });
    let count = if bytes_max == LARGE_BYTES { bytes_max } else { random.usize(..=bytes_max) };
    let value = (count > 0 || random.bool()).then(|| bytes(random, count));
    let mut headers = OwnedHeaders::new();
    for number in 0..random.usize(..12).saturating_sub(9) {
        headers = headers.insert(Header { key: &format!("h{number}"), value: Some(&bytes(random, 5)) });
    }
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
    record = record.timestamp(live::now_ms() - random.i64(0..1_000)).headers(headers);
    (record.key, record.payload) = (key.as_deref(), value.as_deref());
    while let Err((error, refused)) = producer.send(record) {
        let is_full = error.rdkafka_error_code() == Some(rdkafka::error::RDKafkaErrorCode::QueueFull);
        let why = || producer.commit_transaction(Duration::from_secs(5));
        assert!(is_full, "partition {partition}: {error}, {:?}", why());
        producer.poll(Duration::from_millis(10));
        record = refused;
    }
}

/// librdkafka's part: 4 and the shared one by each codec, 5 with transactions, 6 large.
fn write(settings: &KafkaSettings, topic: &str, random: &mut fastrand::Rng) {
    let (records, large) = size();
    for codec in CODECS.iter().cycle().take(15) {
        let producer = live::producer(settings, &[("compression.type", codec), ("linger.ms", "3")]);
        for _ in 0..records / 15 {
            for partition in [4, SHARED] {
                let bytes_max = 1 << random.usize(..14);
                send(&producer, topic, partition, bytes_max, random);
            }
        }
        live::flush(&producer);
    }
    let wait = Duration::from_secs(60);
    let writer = |number: usize| {
        let id = format!("{topic}-rdkafka-{number}");
        let settings_of =
            [("transactional.id", id.as_str()), ("compression.type", CODECS[number]), ("linger.ms", "1")];
        let writer = live::producer(settings, &settings_of);
        writer.init_transactions(wait).unwrap();
        writer
    };
    let end = |writer: &BaseProducer, abort: bool| {
        live::flush(writer);
        if abort { writer.abort_transaction(wait) } else { writer.commit_transaction(wait) }.unwrap();
    };
    let writers = [1, 2, 3].map(writer);
    let plain = live::producer(settings, &[("compression.type", "zstd")]);
    for _ in 0..records / 40 {
        writers.iter().for_each(|writer| writer.begin_transaction().unwrap());
        for _ in 0..40 {
            let which = random.usize(..4);
            let producer = writers.get(which).unwrap_or(&plain);
            let bytes_max = 1 << random.usize(..14);
            send(producer, topic, 5, bytes_max, random);
            if random.u8(..5) == 0 {
                live::flush(producer);
            }
        }
        writers.iter().for_each(|writer| end(writer, random.u8(..3) == 0));
    }
    live::flush(&plain);
    for number in 0..CODECS.len() {
        let writer = writer(number);
        for round in 0..large {
            writer.begin_transaction().unwrap();
            for bytes_max in [0, LARGE_BYTES, 1, 0] {
                send(&writer, topic, 6, bytes_max, random);
            }
            end(&writer, (round + number) % 3 == 1);
        }
    }
}

/// Killed where the test ends before it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn differential_the_wire_reads_what_javas_console_consumer_prints() {
    let Some(brokers) = live::brokers() else { return };
    let (records, large) = size();
    let seed = std::env::var("WELLSTREAM_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| live::now_ms().unsigned_abs() % 1_000_000);
    let topic = live::unique("other-clients");
    let settings = KafkaSettings::new(&brokers, &topic);
    let connection = Connection::open(&settings).unwrap();
    connection.create(&[(topic.as_str(), Some(("max.message.bytes", "12000000")))], PARTITIONS, 1).unwrap();

    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/tests/java/MixedWriter.java");
    let words = [source, &brokers, &topic, &seed.to_string(), &records.to_string(), &large.to_string()];
    let mut java = Running(tool(&words).stdout(Stdio::null()).spawn().unwrap());
    write(&settings, &topic, &mut fastrand::Rng::with_seed(seed));
    assert!(java.0.wait().unwrap().success(), "seed {seed}: Java's writer failed");

    let ends = live::settled_ends(&settings, &connection, &topic);
    let found = read(&brokers, &topic, &ends);
    let mut printed = print(&brokers, &topic, "6000");
    if printed.len() < found.len() {
        // On a busy machine it takes longer to begin.
        printed = print(&brokers, &topic, "60000");
    }
    let aborted = ends.iter().sum::<i64>() - i64::try_from(found.len()).unwrap();
    let first = found.iter().zip(&printed).find(|(ours, theirs)| ours != theirs);
    assert!(
        found == printed,
        "seed {seed}: {} records read, {} printed; the first that differ: {first:?}",
        found.len(),
        printed.len()
    );
    // It was worth comparing: enough in each partition, and not all of what was written.
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        let count = found.range((partition, 0)..(partition + 1, 0)).count();
        let least = if [2, 6].contains(&partition) { large * 4 } else { records / 2 };
        assert!(count >= least, "seed {seed}: {count} records in partition {partition}");
    }
    assert!(
        aborted > i64::try_from(records / 4).unwrap(),
        "seed {seed}: {aborted} offsets aborted or markers"
    );
}
