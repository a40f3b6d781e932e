# What a transcript's commands may use besides drover itself. Sourced by tests/transcripts/run.
# shellcheck shell=bash

# interrupt CHANCE COMMAND...: starts it, waits until it has written "ready", presses Ctrl-C for it, says how it ended.
interrupt() {
  local output=$TMP/interrupted started code=0 elapsed_ms
  : >"$output"
  set -m
  "$@" >"$output" 2>&1 </dev/null &
  local process=$!
  set +m
  for _ in {1..100}; do
    if grep -q ready "$output"; then break; fi
    sleep 0.05
  done
  sleep 0.2
  started=${EPOCHREALTIME/./}
  kill -INT -- "-$process"
  # No test may hang, whatever is wrong.
  (sleep 10 && kill -KILL -- "-$process") 2>/dev/null &
  local guard=$!
  wait "$process" || code=$?
  elapsed_ms=$(((${EPOCHREALTIME/./} - started) / 1000))
  kill "$guard" 2>/dev/null
  cat "$output"
  if ((elapsed_ms < 1000)); then
    echo "ended within 1 s with exit code $code"
  else
    echo "ended after $elapsed_ms ms with exit code $code"
  fi
}

# silent_port: a TCP port of this machine that takes connections and never says a word; in $PORT.
silent_port() {
  perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1") or die; $| = 1;
    print $s->sockport, "\n"; close STDOUT; alarm 60; my @c; while (my $c = $s->accept) { push @c, $c }
  ' >"$TMP/port" 2>/dev/null &
  for _ in {1..100}; do
    if [[ -s $TMP/port ]]; then break; fi
    sleep 0.05
  done
  PORT=$(<"$TMP/port")
}

# private_sshd: an sshd of this transcript alone, with a new host key, that lets nobody in; in $PORT.
private_sshd() {
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$TMP/host_key"
  silent_port
  { kill %?IO::Socket || true; } 2>/dev/null
  printf '%s\n' "Port $PORT" "ListenAddress 127.0.0.1" "HostKey $TMP/host_key" "PidFile none" "UsePAM no" >"$TMP/sshd_config"
  /usr/sbin/sshd -D -e -f "$TMP/sshd_config" 2>"$TMP/sshd.log" &
  for _ in {1..100}; do
    if grep -qs listening "$TMP/sshd.log"; then break; fi
    sleep 0.05
  done
}

# at_terminal ANSWER COMMAND...: runs it on a terminal and types the answer.
at_terminal() {
  local answer=$1
  shift
  (sleep 1; echo "$answer") | script --quiet --return --echo never --command "$(printf '%q ' "$@")" /dev/null | tr -d '\r'
}
