# Sourced by scripts/services: the schema registry (Apicurio, by its Confluent-compatible API), storage in a file.
# shellcheck shell=bash disable=SC2034,SC2154

REGISTRY_VERSION=3.0.9
REGISTRY_PORT=${WELLSTREAM_REGISTRY_PORT:-$((18081 + SHIFT))}
REGISTRY_HOME=$CACHE/apicurio-$REGISTRY_VERSION
REGISTRY_PATH=/apis/ccompat/v7

registry_ports() { echo "$REGISTRY_PORT"; }
registry_where() { echo "http://127.0.0.1:$REGISTRY_PORT$REGISTRY_PATH"; }

# About 109 MB, once per machine.
registry_install() {
  ensure_java
  [ -d "$REGISTRY_HOME" ] && return 0
  ensure mvn maven
  say "registry: fetching version $REGISTRY_VERSION into $CACHE (once)"
  local part=$REGISTRY_HOME.part.$$
  mkdir -p "$part"
  maven_run dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all" \
    -DoutputDirectory="$part"
  tar -xzf "$part"/*.tar.gz -C "$part"
  rm -f "$part"/*.tar.gz
  keep_part "$part" "$REGISTRY_HOME"
}

registry_prepare() { :; }

# H2 in a file: schema ids survive a restart, as records on disk that carry them need. WRITE_DELAY=0: they survive
# kill -9 too, and no id is given twice.
registry_launch() {
  local dir=$1 jar
  jar=$(find "$REGISTRY_HOME" -name 'apicurio-registry-app-*-runner.jar' | head -n 1)
  [ -n "$jar" ] || die "registry: no runner jar under $REGISTRY_HOME; delete that folder and run again"
  launch registry java -Xmx384m -XX:TieredStopAtLevel=1 -Dwellstream.service="$dir" \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$REGISTRY_PORT" \
    -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 \
    -Dapicurio.datasource.url="jdbc:h2:file:$dir/data/registry;WRITE_DELAY=0" \
    -jar "$jar"
}

registry_healthy() { http_ok "$REGISTRY_PORT" "$REGISTRY_PATH/subjects"; }
