# Sourced by scripts/services and scripts/kafka-tool: Apache Kafka, a KRaft node, from its Maven artifacts. Further nodes
# of a cluster (cluster.sh) are the same with ports ten further on each, and without a controller.
# shellcheck shell=bash disable=SC2034,SC2154

KAFKA_DEFAULT_VERSION=4.1.0
KAFKA_VERSION=${WELLSTREAM_KAFKA_VERSION:-$KAFKA_DEFAULT_VERSION}
KAFKA_PORT=${WELLSTREAM_KAFKA_PORT:-$((19092 + SHIFT))}
KAFKA_CONTROLLER_PORT=${WELLSTREAM_KAFKA_CONTROLLER_PORT:-$((19093 + SHIFT))}
KAFKA_SASL_PORT=${WELLSTREAM_KAFKA_SASL_PORT:-$((19094 + SHIFT))}
KAFKA_TLS_PORT=${WELLSTREAM_KAFKA_TLS_PORT:-$((19095 + SHIFT))}
KAFKA_NODES=${WELLSTREAM_KAFKA_NODES:-$(cat "$STATE/nodes" 2>/dev/null || echo 1)}
KAFKA_LIB=$CACHE/kafka-$KAFKA_VERSION/lib

kafka_ports() { echo "$KAFKA_CONTROLLER_PORT $(kafka_client_ports 1)"; }
kafka_where() { echo "127.0.0.1:$KAFKA_PORT (version $KAFKA_VERSION; SASL/PLAIN, user wellstream: 127.0.0.1:$KAFKA_SASL_PORT)"; }

# kafka_port PORT NODE: which port a node has where the first one has PORT.
kafka_port() { echo $(($1 + 10 * ($2 - 1))); }
kafka_client_ports() {
  echo "$(kafka_port "$KAFKA_PORT" "$1") $(kafka_port "$KAFKA_SASL_PORT" "$1") $(kafka_port "$KAFKA_TLS_PORT" "$1")"
}

# About 54 MB, once per machine.
kafka_install() {
  ensure_java
  [ -d "$KAFKA_LIB" ] && return 0
  ensure mvn maven
  say "kafka: fetching version $KAFKA_VERSION into $CACHE (once)"
  local part=$CACHE/kafka-$KAFKA_VERSION.part.$$ profile=()
  case $KAFKA_VERSION in [0-3].*) profile=(-P before-4) ;; esac
  mkdir -p "$part"
  maven_run ${profile[@]+"${profile[@]}"} -f "$HERE/services.d/kafka-pom.xml" -Dkafka.version="$KAFKA_VERSION" \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part/lib"
  keep_part "$part" "$CACHE/kafka-$KAFKA_VERSION"
}

# kafka_prepare DIR [NODE]: writes the settings anew at each start (ports may differ); formats the storage only where
# there is none.
kafka_prepare() {
  local dir=$1 node=${2:-1} quorum=()
  kafka_certificate "$STATE/kafka"
  kafka_settings "$(kafka_data "$dir")" "$node" >"$dir/server.properties"
  echo "$KAFKA_VERSION" >"$dir/version"
  [ -f "$(kafka_data "$dir")/meta.properties" ] && return 0
  [ "$node" != 1 ] || quorum=(--standalone)
  kafka_java kafka.tools.StorageTool format ${quorum[@]+"${quorum[@]}"} --config "$dir/server.properties" \
    --cluster-id "$KAFKA_CLUSTER_ID" >"$dir/format.log" 2>&1 ||
    { tail -n 20 "$dir/format.log" >&2; die "kafka: could not format $(kafka_data "$dir")"; }
}

# Another version than the default has its data apart: neither could read the other's.
kafka_data() {
  if [ "$KAFKA_VERSION" = "$KAFKA_DEFAULT_VERSION" ]; then echo "$1/data"; else echo "$1/data-$KAFKA_VERSION"; fi
}

# Whether the broker that is up is the one that is asked for.
kafka_fits() {
  local running
  running=$(cat "$1/version" 2>/dev/null || echo "$KAFKA_DEFAULT_VERSION")
  [ "$running" = "$KAFKA_VERSION" ] ||
    die "kafka: version $running is up, $KAFKA_VERSION is asked for; first: scripts/services down kafka"
}

# A certificate of its own for 127.0.0.1, which tests believe by ca.pem. Its password guards nothing.
kafka_certificate() {
  [ -f "$1/ca.pem" ] && return 0
  mkdir -p "$1"
  local store=(-keystore "$1/tls.p12" -storetype PKCS12 -storepass wellstream -alias kafka)
  rm -f "$1/tls.p12"
  keytool -genkeypair "${store[@]}" -keyalg EC -groupname secp256r1 -validity 3650 -dname CN=127.0.0.1 \
    -ext san=ip:127.0.0.1,dns:localhost 2>/dev/null || die "kafka: keytool could not make a certificate"
  keytool -exportcert -rfc "${store[@]}" -file "$1/ca.pem" 2>/dev/null
}

# kafka_launch DIR [NAME]
kafka_launch() {
  local dir=$1 name=${2:-kafka}
  local heap=${WELLSTREAM_KAFKA_HEAP:-1g}
  launch "$name" java -Xms"$heap" -Xmx"$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
    -Djava.awt.headless=true -Dwellstream.service="$dir" \
    -Dlog4j2.configurationFile="$HERE/services.d/log4j2.properties" \
    -cp "$KAFKA_LIB/*" kafka.Kafka "$dir/server.properties"
}

# kafka_healthy DIR [NODE]: the port opens before the broker answers, so its own word decides.
kafka_healthy() {
  grep -q 'Kafka Server started' "$1/log" && tcp_open "$(kafka_port "$KAFKA_PORT" "${2:-1}")"
}

# kafka_settings DATA NODE. One node alone: replication 1 and min ISR 1 wherever Kafka would ask for three.
kafka_settings() {
  local ports listeners roles=broker isr=1
  read -ra ports <<<"$(kafka_client_ports "$2")"
  listeners=PLAIN://127.0.0.1:${ports[0]},SASL://127.0.0.1:${ports[1]},TLS://127.0.0.1:${ports[2]}
  if [ "$2" = 1 ]; then
    roles=broker,controller
    listeners=$listeners,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
  fi
  [ "$KAFKA_NODES" = 1 ] || isr=2
  cat <<PROPERTIES
# Written by scripts/services.
process.roles=$roles
node.id=$2
controller.quorum.bootstrap.servers=127.0.0.1:$KAFKA_CONTROLLER_PORT
listeners=$listeners
advertised.listeners=$listeners
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
# A listener with a password, so that the message for a wrong one can be tested. The password guards nothing.
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_wellstream="wellstream";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location=$STATE/kafka/tls.p12
listener.name.tls.ssl.keystore.password=wellstream
listener.name.tls.ssl.key.password=wellstream
log.dirs=$1
offsets.topic.replication.factor=$KAFKA_NODES
transaction.state.log.replication.factor=$KAFKA_NODES
transaction.state.log.min.isr=$isr
share.coordinator.state.topic.replication.factor=$KAFKA_NODES
share.coordinator.state.topic.min.isr=$isr
default.replication.factor=$KAFKA_NODES
min.insync.replicas=$isr
# Leaders that had to move come back by themselves, within seconds of their node.
leader.imbalance.check.interval.seconds=5
# A misspelt topic must fail, not appear. (message.max.bytes stays Kafka's default of 1 MB: a topic for larger
# records sets max.message.bytes itself, as on a real cluster.)
auto.create.topics.enable=false
# Speed of start and of tests: fewer internal partitions, no wait for further group members.
group.initial.rebalance.delay.ms=0
# After kill -9 the node may register again only when its old session has expired (9 s by default). A machine busy with
# many tests needs more, or the node is taken for dead although it is only slow.
broker.session.timeout.ms=${WELLSTREAM_KAFKA_SESSION_MS:-3000}
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
# Tests shorten retention on topics of their own; the default check of five minutes would make them wait.
log.retention.check.interval.ms=5000
PROPERTIES
}

# kafka_java CLASS ARGUMENT...: one of Kafka's own programs, quiet unless something is wrong.
kafka_java() {
  java -Xmx256m -XX:TieredStopAtLevel=1 -Dwellstream.log="${WELLSTREAM_TOOL_LOG:-ERROR}" \
    -Dlog4j2.configurationFile="$HERE/services.d/log4j2.properties" -cp "$KAFKA_LIB/*" "$@"
}

KAFKA_CLUSTER_ID=d2VsbHN0cmVhbS1sb2NhbA
