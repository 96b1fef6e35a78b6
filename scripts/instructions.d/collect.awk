# Makes rows "stage TAB instructions TAB allocations TAB bytes" of what one count printed and of callgrind's file.
#
#   awk -v name=STAGE -f collect.awk PRINTED CALLGRIND     the files come with strings and positions written out
#
# A frame without an instruction is an error: nothing was counted.

BEGIN { OFS = "\t" }

$1 == "allocations" { order[++frames] = $2; calls[$2] = $3; bytes[$2] = $4; next }

# What a called function took, with all that it called, stands in the second field below "calls=".
/^cfn=/ { callee = match($0, /counted_(whole|lane|shard|committer)/) ? substr($0, RSTART + 8, RLENGTH - 8) : "" }
/^calls=/ { if ((getline line) > 0 && callee != "") { split(line, cost, " "); took[callee] += cost[2] } callee = "" }

END {
  if (!frames) { print name ": it printed no allocations" > "/dev/stderr"; exit 3 }
  sub(/^engine_/, "", name)
  for (n = 1; n <= frames; n++) {
    frame = order[n]
    if (!(took[frame] > 0)) {
      print name ": no instruction was counted: is the frame counted_" frame " still there?" > "/dev/stderr"
      exit 3
    }
    print frames == 1 ? name : name "_" frame, took[frame], calls[frame], bytes[frame]
  }
}
