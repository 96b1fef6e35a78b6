# Sourced by scripts/services: the same verbs by docker-compose.yml, for WELLSTREAM_SERVICES=docker.
# shellcheck shell=bash disable=SC2154

docker_main() {
  local verb=$1 wipe=$2 name
  shift 2
  [ "$KAFKA_VERSION" = "$KAFKA_DEFAULT_VERSION" ] || die "WELLSTREAM_KAFKA_VERSION goes with processes, not with docker"
  [ "$KAFKA_NODES" = 1 ] || die "WELLSTREAM_KAFKA_NODES goes with processes, not with docker"
  docker info >/dev/null 2>&1 ||
    die "WELLSTREAM_SERVICES=docker, but no container engine answers; start it, or leave that variable out"
  docker compose version >/dev/null 2>&1 || die "docker has no 'compose' command here: install its compose plugin (v2)"
  export WELLSTREAM_KAFKA_PORT=$KAFKA_PORT WELLSTREAM_KAFKA_SASL_PORT=$KAFKA_SASL_PORT
  export WELLSTREAM_REGISTRY_PORT=$REGISTRY_PORT WELLSTREAM_REDIS_PORT=$REDIS_PORT
  case $verb in
    up | start) compose up --detach --wait --wait-timeout "$HEALTH_WAIT_S" "$@" ;;
    down)
      compose stop "$@"
      compose rm --force "$@"
      if [ "$wipe" = yes ]; then
        for name in "$@"; do docker volume rm --force "wellstream_$name" >/dev/null; done
      fi
      ;;
    stop) compose stop "$@" ;;
    kill) compose kill "$@" ;;
    pause) compose pause "$@" ;;
    resume) compose unpause "$@" ;;
    logs)
      for name in "$@"; do
        compose logs --no-color "$name" >"$STATE/$name.docker.log"
        echo "$STATE/$name.docker.log"
      done
      ;;
    env) services_env "$@" ;;
    status)
      compose ps "$@"
      for name in "$@"; do
        [ -n "$(compose ps --quiet --status running "$name")" ] || return 1
      done
      ;;
  esac
}

compose() { docker compose -p wellstream -f "$ROOT/docker-compose.yml" "$@"; }
