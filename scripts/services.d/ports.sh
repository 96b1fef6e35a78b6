# Sourced by scripts/services and scripts/kafka-tool: where state and downloads lie, and which ports are used.
# shellcheck shell=bash disable=SC2034,SC2153

ROOT=$(dirname "$HERE")
CACHE=${WELLSTREAM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/wellstream}
STATE=${WELLSTREAM_SERVICES_DIR:-$ROOT/target/services}

# resolve_shift: sets SHIFT, what is added to each default port. A number is taken as it is; `auto` means the first
# shift whose ports are all free; without a word, the one with which the running services were started, else 0.
resolve_shift() {
  local running
  running=$(cat "$STATE/shift" 2>/dev/null || true)
  SHIFT=${WELLSTREAM_PORT_SHIFT:-${running:-0}}
  [ "$SHIFT" = auto ] || return 0
  SHIFT=$running
  [ -z "$SHIFT" ] || return 0
  for SHIFT in 0 100 200 300 400 500 600 700 800 900; do
    if shift_free; then return 0; fi
  done
  die "all port ranges from 16379 to 19994 in use: stop some services, or set WELLSTREAM_KAFKA_PORT and so on"
}

shift_free() {
  local port
  for port in 16379 18081 19092 19093 19094 19095 19102 19104 19105 19112 19114 19115; do
    ! tcp_open $((port + SHIFT)) || return 1
  done
}

# note_shift, forget_shift: so that later calls and tools find the services without being told.
note_shift() {
  echo "$SHIFT" >"$STATE/shift"
  echo "$KAFKA_NODES" >"$STATE/nodes"
}
forget_shift() { rm -f "$STATE/shift" "$STATE/nodes"; }
