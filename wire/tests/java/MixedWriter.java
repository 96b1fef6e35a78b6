// Writes, by the Java client, what tests read by another one: every codec, batches of many sizes, tombstones, empty
// keys and values, headers, transactions that commit and abort between one another, values of up to 10 MB.
//
//   scripts/kafka-tool wire/tests/java/MixedWriter.java BROKERS TOPIC SEED RECORDS LARGE
//
// Partition 0: each codec in turn; 1: three transactional producers and a plain one between one another; 2: LARGE values of
// 10 MB per codec, and of nothing, one transaction in three aborted; 3: as 0, while others write there too.
// RECORDS is how many each of 0, 1 and 3 gets. No key, value or header has a tab or a line feed, so that a printed record is
// one line. What is sent follows from SEED; how it falls into batches does not.

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class MixedWriter {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int LARGE_BYTES = 10_000_000;

    private final String brokers;
    private final String topic;
    private final Random random;

    public static void main(String[] words) throws Exception {
        MixedWriter writer = new MixedWriter(words[0], words[1], Long.parseLong(words[2]));
        int records = Integer.parseInt(words[3]);
        writer.plain(0, records);
        writer.transactional(1, records);
        writer.large(2, Integer.parseInt(words[4]));
        writer.plain(3, records);
    }

    private MixedWriter(String brokers, String topic, long seed) {
        this.brokers = brokers;
        this.topic = topic;
        this.random = new Random(seed);
    }

    private void plain(int partition, int records) {
        int sent = 0;
        while (sent < records) {
            for (String codec : CODECS) {
                try (KafkaProducer<byte[], byte[]> producer = producer(codec, null)) {
                    for (int i = 0; i < Math.max(1, records / 15) && sent < records; i++, sent++) {
                        producer.send(record(partition, size()));
                    }
                }
            }
        }
    }

    private void transactional(int partition, int records) {
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            producers.add(producer(CODECS[i + 1], topic + "-java-" + i));
            producers.get(i).initTransactions();
        }
        KafkaProducer<byte[], byte[]> plain = producer("zstd", null);
        int sent = 0;
        for (int round = 0; sent < records; round++) {
            for (KafkaProducer<byte[], byte[]> producer : producers) {
                producer.beginTransaction();
            }
            for (int i = 0; i < 40; i++, sent++) {
                int which = random.nextInt(4);
                KafkaProducer<byte[], byte[]> producer = which == 3 ? plain : producers.get(which);
                producer.send(record(partition, size()));
                if (random.nextInt(5) == 0) {
                    producer.flush();
                }
            }
            for (KafkaProducer<byte[], byte[]> producer : producers) {
                if (random.nextInt(3) == 0) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        plain.close();
        producers.forEach(KafkaProducer::close);
    }

    private void large(int partition, int large) {
        for (int codec = 0; codec < CODECS.length; codec++) {
            try (KafkaProducer<byte[], byte[]> producer = producer(CODECS[codec], topic + "-java-large")) {
                producer.initTransactions();
                for (int i = 0; i < large; i++) {
                    producer.beginTransaction();
                    for (int bytes : new int[] {0, LARGE_BYTES, 1, 0}) {
                        producer.send(record(partition, bytes));
                    }
                    if ((i + codec) % 3 == 1) {
                        producer.flush();
                        producer.abortTransaction();
                    } else {
                        producer.commitTransaction();
                    }
                }
            }
        }
    }

    private KafkaProducer<byte[], byte[]> producer(String codec, String transactionalId) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("compression.type", codec);
        settings.put("max.request.size", "12000000");
        settings.put("batch.size", Integer.toString(1_000 << random.nextInt(6)));
        settings.put("linger.ms", "3");
        if (transactionalId != null) {
            settings.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(settings);
    }

    private ProducerRecord<byte[], byte[]> record(int partition, int bytes) {
        byte[] key = random.nextInt(4) == 0 ? null : bytes(random.nextInt(20));
        byte[] value = bytes == 0 && random.nextInt(2) == 0 ? null : bytes(bytes);
        long sent = System.currentTimeMillis() - random.nextInt(1_000);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, sent, key, value);
        for (int i = random.nextInt(8) - 5; i > 0; i--) {
            record.headers().add("h" + i, bytes(random.nextInt(10)));
        }
        return record;
    }

    private int size() {
        int bits = random.nextInt(14);
        return random.nextInt(8) == 0 ? 0 : random.nextInt(1 << bits) + 1;
    }

    // Half of it can be compressed. No byte that ends a line or a column.
    private byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        for (int i = 0; i < count; i++) {
            if (i % 32 >= 16) {
                bytes[i] = 'x';
            } else if (bytes[i] == '\t' || bytes[i] == '\n') {
                bytes[i] = '-';
            }
        }
        return bytes;
    }
}
