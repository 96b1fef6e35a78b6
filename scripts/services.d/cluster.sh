# Sourced by scripts/services: the second and third node of a cluster (WELLSTREAM_KAFKA_NODES=3), which have no controller:
# either may go, and leaders move.
# shellcheck shell=bash disable=SC2034,SC2154

case $KAFKA_NODES in
  1) KAFKAS=(kafka) ;;
  3) KAFKAS=(kafka kafka2 kafka3) ;;
  *) die "WELLSTREAM_KAFKA_NODES: 1 or 3, not $KAFKA_NODES" ;;
esac

kafka2_ports() { kafka_client_ports 2; }
kafka2_where() { echo "127.0.0.1:$(kafka_port "$KAFKA_PORT" 2)"; }
kafka2_install() { kafka_install; }
kafka2_prepare() { kafka_prepare "$1" 2; }
kafka2_launch() { kafka_launch "$1" kafka2; }
kafka2_healthy() { kafka_healthy "$1" 2; }

kafka3_ports() { kafka_client_ports 3; }
kafka3_where() { echo "127.0.0.1:$(kafka_port "$KAFKA_PORT" 3)"; }
kafka3_install() { kafka_install; }
kafka3_prepare() { kafka_prepare "$1" 3; }
kafka3_launch() { kafka_launch "$1" kafka3; }
kafka3_healthy() { kafka_healthy "$1" 3; }

# kafka_all PORT: that listener of all nodes, as clients take it.
kafka_all() {
  local node all=
  for node in $(seq "$KAFKA_NODES"); do all=$all,127.0.0.1:$(kafka_port "$1" "$node"); done
  echo "${all#,}"
}
