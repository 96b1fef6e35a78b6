# Sourced by scripts: messages, and tools that a fresh machine may lack.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 3; }

# want COMMAND PACKAGE: notes Debian's PACKAGE as missing unless there is COMMAND; settle installs what was noted.
want() {
  command -v "$1" >/dev/null 2>&1 || case " ${missing[*]-} " in *" $2 "*) ;; *) missing+=("$2") ;; esac
}

settle() {
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
  missing=()
}

# ensure COMMAND PACKAGE: has COMMAND, else installs PACKAGE as root, else says what to do.
ensure() {
  want "$1" "$2"
  settle
  command -v "$1" >/dev/null 2>&1 || die "$2 is installed, and still there is no '$1' on the PATH"
}

# install_packages NAME...: through apt-get when root; otherwise ends with the command to run.
install_packages() {
  local root_ask="sudo apt-get install $*   (or your system's packages of that kind)"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    die "missing here: $*. Install by: $root_ask"
  fi
  say "installing $*"
  local log
  log=$(mktemp)
  # RUNLEVEL=1: a package that brings a service must not start it on its default port.
  if ! RUNLEVEL=1 apt_install "$@" >"$log" 2>&1; then
    { apt-get update && RUNLEVEL=1 apt_install "$@"; } >>"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; die "apt-get could not install $*"; }
  fi
  rm -f "$log"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null
}

# ensure_java: Java 17 or newer runs Kafka 4 and the registry.
ensure_java() {
  ensure java openjdk-17-jre-headless
  local version
  version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ] || die "Java ${version:-of unknown version} found; 17 or newer is needed"
}

# want_build: what compiling needs (librdkafka is built from source).
want_build() {
  want cc build-essential
  want c++ build-essential
  want make build-essential
  want cmake cmake
  want pkg-config pkg-config
  pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
}

# want_services: what scripts/services needs.
want_services() {
  want java openjdk-17-jre-headless
  want mvn maven
  want redis-server redis-server
}

missing=()
