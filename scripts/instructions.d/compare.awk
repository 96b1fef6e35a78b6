# Compares two files of counts ("stage TAB instructions TAB allocations TAB bytes"; "#" opens a comment).
#
#   awk -v limit=PERCENT -v turns=TURNS [-v before=FILE -v after=FILE] [-v quiet=1] -f compare.awk BASE HERE
#
# `before` and `after`: the recorded baselines there and here; what a stage was allowed to rise from one to the other
# is no fault. Ends with 1 where a stage takes more than `limit` per cent more instructions, or allocates more; with 3
# where a count is zero or a stage of the base is gone. Allocations may differ by a few in 40,000 readings, and bytes
# by a factor of two: memory grows by doubling, and a change elsewhere may move a doubling across the warm-up's end.

BEGIN { FS = "\t"; calls_more = 8; bytes_times = 2; bytes_more = 65536
  read_baseline(before, old); read_baseline(after, now) }

/^#/ || NF < 2 { next }
FILENAME == ARGV[1] { base[$1] = $2; base_calls[$1] = $3; base_bytes[$1] = $4; check("base", $1, $2); bases++; next }
{ order[++stages] = $1; here[$1] = $2; calls[$1] = $3; bytes[$1] = $4; check("here", $1, $2) }

function check(where, stage, count) { if (!(count + 0 > 0)) fault(stage ": no instruction was counted (" where ")") }
function fault(what) { errors++; print "error: " what > "/dev/stderr" }

function read_baseline(file, into, line, part) {
  if (file == "") return
  while ((getline line < file) > 0) if (line !~ /^#/ && split(line, part, "\t") >= 3) {
    into[part[1]] = part[2]; into[part[1], "calls"] = part[3]; into[part[1], "bytes"] = part[4] }
  close(file)
}

# How many times as much as at the base a stage may take, as the recorded baselines say.
function raised(stage, what) {
  return old[stage, what] > 0 && now[stage, what] > old[stage, what] ? now[stage, what] / old[stage, what] : 1
}

END {
  if (!bases) fault("no counts of the base")
  if (!stages) fault("no counts here")
  for (stage in base) if (!(stage in here)) fault(stage ": counted at the base, and gone here")
  if (errors) exit 3
  if (!quiet) printf "%-24s %10s %10s %10s   %s\n", "per reading", "base", "here", "", "allocations in " turns ", KiB"
  for (n = 1; n <= stages; n++) {
    stage = order[n]
    if (!(stage in base)) { show(stage, "", "new", "") ; continue }
    rise = old[stage] > 0 && now[stage] > old[stage] ? now[stage] / old[stage] : 1
    change = 100 * (here[stage] / base[stage] - 1)
    verdict = ""
    if (here[stage] > base[stage] * rise * (1 + limit / 100)) verdict = verdict " MORE"
    if (calls[stage] > base_calls[stage] * raised(stage, "calls") + added(stage) + calls_more) verdict = verdict " ALLOCATES"
    if (bytes[stage] > base_bytes[stage] * raised(stage, "bytes") * bytes_times + bytes_more) verdict = verdict " BYTES"
    if (verdict != "") failed++
    else if (change > limit) verdict = " allowed by the recorded baseline"
    show(stage, sprintf("%10.2f", base[stage] / turns), sprintf("%+.2f %%", change), verdict)
  }
  if (failed) {
    printf "%d of %d take more than the limit: %s %% of instructions, %d allocations\n", failed, stages, limit, calls_more
    exit 1
  }
}

# A stage that allocated nothing and was allowed to has no factor.
function added(stage) { return old[stage, "calls"] == 0 && now[stage, "calls"] > 0 ? now[stage, "calls"] : 0 }

function show(stage, there, change, verdict) {
  if (quiet && verdict == "") return
  printf "%-24s %10s %10.2f %10s   %s -> %d, %s -> %d%s\n", stage, there, here[stage] / turns, change, \
    stage in base ? base_calls[stage] : "-", calls[stage], \
    stage in base ? int(base_bytes[stage] / 1024) : "-", bytes[stage] / 1024, verdict
}
