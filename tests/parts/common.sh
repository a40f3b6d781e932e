# What the parts of tests/run share; sourced, never run. Each part starts with: source .../common.sh
# shellcheck shell=bash
set -euo pipefail

root=${DROVER_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
cd "$root"
jobs=${DROVER_JOBS:-$(nproc)}
dev=$root/build/dev
drover=$dev/drover

# count PASSED FAILED: for the summary of tests/run.
count() { echo "$1 $2" >>"${DROVER_COUNTS:-/dev/stderr}"; }

# one_at_a_time NAME COMMAND...: parts may run beside each other, and must not install or build the same at once.
one_at_a_time() {
  local name=$1
  shift
  mkdir -p build
  (
    flock 8
    "$@" 8>&-
  ) 8>"build/.$name.lock"
}

# need LIST...: installs what is missing of tests/packages.
need() { one_at_a_time packages "$root/tests/packages/install" "$@"; }

# build PRESET [TARGET...]: silent unless it fails. What runs beside it in the lab goes first: it has clocks to meet.
build() { one_at_a_time "$1" build_now "$@"; }
build_now() {
  local preset=$1 log
  shift
  log=$(mktemp)
  {
    cmake --preset "$preset" && nice -n 5 cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"}
  } >"$log" 2>&1 || {
    grep -v -e '^\[[0-9/]*\] \(Building\|Linking\)' -e '^-- ' "$log" >&2
    return 1
  }
}

# run_catch PROGRAM ARGUMENTS...: shows what failed and counts test cases.
run_catch() {
  local output code=0
  output=$(mktemp)
  "$@" >"$output" 2>&1 || code=$?
  local all='All tests passed \([0-9]+ assertions? in ([0-9]+) test cases?\)'
  local some='test cases: +[0-9]+ \|( +([0-9]+) passed \|)? +([0-9]+) failed'
  local text
  text=$(<"$output")
  if [[ $code -eq 0 && $text =~ $all ]]; then
    count "${BASH_REMATCH[1]}" 0
  elif [[ $text =~ $some ]]; then
    cat "$output"
    count "${BASH_REMATCH[2]:-0}" "${BASH_REMATCH[3]}"
  else
    cat "$output"
    echo "$1 ended with exit code $code"
    count 0 1
  fi
}

# run_lua DROVER FILE...: a process for each test file, so that none can lean on another; as many at once as processors.
run_lua() {
  local program=$1
  shift
  export -f run_lua_file count
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" bash -c 'run_lua_file "$@"' - "$program"
}
run_lua_file() { # DROVER FILE
  local output code=0 last
  output=$(timeout 120 "$1" test "$2" 2>&1) || code=$?
  last=${output##*$'\n'}
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] && [[ $code -eq 0 || ${BASH_REMATCH[2]} -gt 0 ]]; then
    count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    [[ $code -eq 0 ]] || printf '%s\n' "$output"
  else
    printf '%s\n%s: ended with exit code %d\n' "$output" "$2" "$code"
    count 0 1
  fi
}

# The Lua tests that need nothing but this machine.
lua_tests() {
  find tests -name '*_test.lua' -not -path 'tests/lab/*' -not -path 'tests/faults/*' | sort
}
