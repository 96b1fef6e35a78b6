# Sourced by scripts/test and scripts/setup: what reads reports in tests (HdrHistogram's own tools, a browser), and what
# writes topics in them.
# shellcheck shell=bash disable=SC2154

HDR_VERSION=2.2.2
HDR_HOME=$CACHE/hdrhistogram-$HDR_VERSION

# want_readers: the browser, by whichever name it has here.
want_readers() {
  browser >/dev/null || want chromium chromium
}

# want_writers: a JDK, for the producer in Java that tests run from its source.
want_writers() {
  want javac openjdk-17-jdk-headless
}

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# About 0.2 MB, once per machine.
hdr_install() {
  ensure_java
  [ -d "$HDR_HOME" ] && return 0
  ensure mvn maven
  local part=$HDR_HOME.part.$$
  mkdir -p "$part"
  maven_run dependency:copy -Dartifact="org.hdrhistogram:HdrHistogram:$HDR_VERSION" -DoutputDirectory="$part"
  keep_part "$part" "$HDR_HOME"
}

readers_env() {
  echo "export WELLSTREAM_TEST_HDR_JAR=$HDR_HOME/HdrHistogram-$HDR_VERSION.jar"
  echo "export WELLSTREAM_TEST_BROWSER=$(browser)"
}
