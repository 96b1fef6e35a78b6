# Sourced by scripts/services: Redis, Debian's or whatever redis-server is on the PATH.
# shellcheck shell=bash disable=SC2034,SC2154

REDIS_PORT=${WELLSTREAM_REDIS_PORT:-$((16379 + SHIFT))}

redis_ports() { echo "$REDIS_PORT"; }
redis_where() { echo "redis://127.0.0.1:$REDIS_PORT"; }
redis_install() { ensure redis-server redis-server; }
redis_prepare() { :; }

redis_launch() {
  local dir=$1
  launch redis redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --dir "$dir/data" --daemonize no \
    --appendonly yes --save '' --proc-title-template "{title} {listen-addr} wellstream.service=$dir"
}

redis_healthy() {
  local answer=
  { exec 8<>"/dev/tcp/127.0.0.1/$REDIS_PORT"; } 2>/dev/null || return 1
  printf 'PING\r\n' >&8
  read -r -t 2 answer <&8
  exec 8>&-
  case $answer in +PONG*) return 0 ;; *) return 1 ;; esac
}
