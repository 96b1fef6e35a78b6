# Sourced by scripts/services: starting, watching and ending a service as a plain process with a pid file.
# shellcheck shell=bash disable=SC2153,SC2154

# begin_service NAME: installs, prepares and launches it, unless it is up; does not wait.
begin_service() {
  local name=$1 dir=$STATE/$1 port
  if service_pid "$name" >/dev/null; then
    case $name in kafka*) kafka_fits "$dir" ;; esac
    return 0
  fi
  for port in $("${name}_ports"); do
    port_free "$port" || die "$name: port $port is taken by another process (another checkout's services?). Stop" \
      "it, or choose other ports, for instance WELLSTREAM_PORT_SHIFT=100"
  done
  "${name}_install"
  mkdir -p "$dir/data"
  [ ! -f "$dir/log" ] || mv -f "$dir/log" "$dir/log.previous"
  : >"$dir/log"
  "${name}_prepare" "$dir"
  note_shift
  "${name}_launch" "$dir"
}

# launch NAME COMMAND...: in a session of its own, so that it outlives the shell; holds none of the caller's files
# (7 and 9 are the locks of scripts/test and scripts/services).
launch() {
  local name=$1 detach=nohup
  shift
  command -v setsid >/dev/null 2>&1 && detach=setsid
  "$detach" "$@" </dev/null >>"$STATE/$name/log" 2>&1 7>&- 9>&- &
  echo $! >"$STATE/$name/pid"
  touch "$STATE/$name/starting"
}

# await_service NAME: until it answers; ends the script with the log's tail if it dies or takes too long.
await_service() {
  local name=$1 dir=$STATE/$1 began=$SECONDS
  until service_answers "$name"; do
    service_pid "$name" >/dev/null || fail_service "$name" "ended by itself"
    [ $((SECONDS - began)) -lt "$HEALTH_WAIT_S" ] || fail_service "$name" "does not answer after $HEALTH_WAIT_S s"
    sleep 0.2
  done
  if [ -f "$dir/starting" ]; then
    say "$name: up at $("${name}_where")"
    rm -f "$dir/starting"
  else
    say "$name: already up at $("${name}_where")"
  fi
}

fail_service() {
  say "--- last lines of $STATE/$1/log"
  tail -n 25 "$STATE/$1/log" >&2
  say "---"
  end_service "$1" KILL
  die "$1: $2 (whole log: $STATE/$1/log)"
}

# end_service NAME TERM|KILL: waits until the process is gone; TERM turns into KILL after 20 s.
end_service() {
  local name=$1 signal=$2 pid began=$SECONDS
  pid=$(service_pid "$name") || { rm -f "$STATE/$name/pid"; say "$name: is down"; return 0; }
  kill -CONT "$pid" 2>/dev/null || true
  kill -"$signal" "$pid" 2>/dev/null || true
  while service_pid "$name" >/dev/null; do
    if [ $((SECONDS - began)) -ge 20 ]; then kill -KILL "$pid" 2>/dev/null || true; fi
    [ $((SECONDS - began)) -lt 30 ] || die "$name: pid $pid cannot be ended"
    sleep 0.1
  done
  rm -f "$STATE/$name/pid" "$STATE/$name/starting"
  say "$name: down (SIG$signal)"
}

signal_service() {
  local pid
  pid=$(service_pid "$1") || die "$1: is down"
  kill -"$2" "$pid"
  say "$1: SIG$2 sent to pid $pid"
}

# service_pid NAME: its pid, if that process is still the one that was started (a pid may have been reused).
service_pid() {
  local pid command
  pid=$(cat "$STATE/$1/pid" 2>/dev/null) || return 1
  [ -n "$pid" ] || return 1
  command=$(ps -o stat=,args= -p "$pid" -ww 2>/dev/null) || return 1
  case "$command " in
    Z*) return 1 ;;
    *"wellstream.service=$STATE/$1 "*) echo "$pid" ;;
    *redis-server*) [ "$1" = redis ] && echo "$pid" ;;
    *) return 1 ;;
  esac
}

any_running() {
  local name
  for name in "${ALL[@]}"; do
    if service_pid "$name" >/dev/null; then return 0; fi
  done
  return 1
}

# service_answers NAME: healthy, and not paused (a paused one still has its port open).
service_answers() {
  local pid
  pid=$(service_pid "$1") || return 1
  case $(ps -o stat= -p "$pid") in T*) return 1 ;; esac
  "${1}_healthy" "$STATE/$1"
}

# One caller at a time changes the services of this checkout.
lock_state() {
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$STATE/lock"
  flock -w 300 9 || die "another scripts/services has held $STATE/lock for five minutes"
}

# port_free PORT: within 3 s; a killed process keeps its sockets a moment longer than its pid.
port_free() {
  local tries
  for tries in $(seq 30); do
    tcp_open "$1" || return 0
    [ "$tries" = 30 ] || sleep 0.1
  done
  return 1
}

tcp_open() { (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_ok PORT PATH: answered with status 200. Without curl, which a bare machine may lack.
http_ok() {
  local status=
  { exec 8<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&8
  read -r -t 5 status <&8 || true
  exec 8>&-
  case $status in *' 200 '*) return 0 ;; *) return 1 ;; esac
}

# maven_run ARGUMENT...: quiet; its output is shown only if it fails.
maven_run() {
  local log
  mkdir -p "$CACHE"
  log=$(mktemp)
  mvn -B -Dstyle.color=never "$@" </dev/null >"$log" 2>&1 ||
    { grep -E 'ERROR' "$log" | head -n 15 >&2; die "mvn failed; whole log: $log"; }
  rm -f "$log"
}

# keep_part PART WHOLE: a finished download takes its place at once, or gives way to one that came first.
keep_part() {
  if [ -d "$2" ]; then rm -rf "$1"; else mv "$1" "$2"; fi
}
