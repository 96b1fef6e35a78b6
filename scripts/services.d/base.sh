# Sourced by scripts that compare this checkout with another commit: which one that is.
# shellcheck shell=bash

# base_commit [COMMIT]: COMMIT; else where this branch left origin/main; else the parent. Nothing where there is none.
base_commit() {
  local head base
  head=$(git rev-parse --verify --quiet HEAD || true)
  if [ -n "${1:-}" ]; then git rev-parse --verify --quiet "$1^{commit}"; return; fi
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$head" ]; then base=$(git rev-parse --verify --quiet HEAD^1 || true); fi
  echo "$base"
}
