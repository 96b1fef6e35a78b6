# Sourced by scripts/instructions: shows on made-up counts that the comparison tells what it must tell.
# shellcheck shell=bash

self_test() {
  local dir
  dir=$(mktemp -d)
  printf '# rustc: 1\njoin\t40000000\t10\t4096\nintern\t4000000\t0\t0\n' >"$dir/base"
  told 0 "the same" 's/x/x/'
  told 0 "+0.4 %" 's/\t40000000/\t40160000/'
  told 1 "+1 %" 's/\t40000000/\t40400000/' MORE
  told 1 "+1 % of a small stage" 's/\t4000000/\t4040000/' MORE
  told 0 "-30 %" 's/\t40000000/\t28000000/'
  told 0 "8 allocations more" 's/\t10\t/\t18\t/'
  told 1 "9 allocations more" 's/\t10\t/\t19\t/' ALLOCATES
  told 1 "a MiB more" 's/\t4096/\t1052672/' BYTES
  told 3 "a count of zero" 's/\t40000000/\t0/'
  told 3 "a stage that is gone" '/^intern/d'
  told 3 "no counts at all" '/^[a-z]/d'
  told 0 "a new stage" '1a emit\t1000\t0\t0' new
  sed 's/\t40000000/\t44000000/' "$dir/base" >"$dir/raised"
  told 0 "+10 %, recorded" 's/\t40000000/\t44100000/' allowed
  told 1 "+12 %, 10 recorded" 's/\t40000000/\t44800000/' MORE
  rm "$dir/raised"
  zero_is_told
  rm -rf "$dir"
}

# told STATUS WHAT EDIT [WORD]: compares the made-up counts with an edit of them.
told() {
  local status=0
  sed "$3" "$dir/base" >"$dir/here"
  local recorded=()
  [ ! -f "$dir/raised" ] || recorded=(-v before="$dir/base" -v after="$dir/raised")
  awk -v limit=0.5 -v turns=40000 ${recorded[@]+"${recorded[@]}"} -f "$PARTS/compare.awk" "$dir/base" "$dir/here" \
    >"$dir/out" 2>&1 || status=$?
  [ "$status" = "$1" ] || die "the comparison ends with $status, not $1, on $2: $(cat "$dir/out")"
  grep -q "${4:-.\|^$}" "$dir/out" || die "the comparison says nothing of $4 on $2: $(cat "$dir/out")"
}

# A frame that was inlined, or renamed, must not count as free.
zero_is_told() {
  printf 'allocations whole 1 32\n' >"$dir/printed"
  printf 'fn=count::count\ncfn=count::counted_whole\ncalls=1 106\n80 4242\n' >"$dir/calls"
  local row
  row=$(awk -v name=join -f "$PARTS/collect.awk" "$dir/printed" "$dir/calls")
  [ "$row" = $'join\t4242\t1\t32' ] || die "collected: $row"
  sed -i s/counted_whole/inlined/ "$dir/calls"
  ! awk -v name=join -f "$PARTS/collect.awk" "$dir/printed" "$dir/calls" >/dev/null 2>&1 ||
    die "a frame that was not found was not told"
}
