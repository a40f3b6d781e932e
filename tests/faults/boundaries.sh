# Every boundary of the journal: drover is killed before and after each intent, effect, mark and end of live-migrate,
# then `drover recover` has to leave both hosts clean. No list of steps is kept here: stopped.lua names what the run
# itself passes. Several runs, each with a guest of its own, stand at several boundaries and are killed together, so
# that they need one recovery and one look. Sourced by tests/faults/run.
#
# With --long, each boundary of each channel and mode; without it each boundary once, wherever it comes first, and of
# each channel and mode a sample.
# shellcheck shell=bash

readonly sample_every=12

stock_move() { # words...: a move from where the guest is, by the playbook that can be stopped
  printf '%s\n' run "$project/tests/faults/stopped.lua" --domain "$guest" --from "$from" --to "$to" "$@"
}

# sweep LOCAL-OR-SHARED words...: what is left of one channel and mode.
sweep() {
  local kind=$1 title list
  shift
  title="${*//--/}"
  [[ $kind == local ]] || title+=' on a shared disk'
  list=$queue/list.${title// /-}
  [[ ! -s $list ]] || is_left "$list" "$title" || return 0
  ensure_world "$kind" || { world_failed; return 1; }
  if [[ $* == *tls* ]]; then make_certificates || { world_failed; return 1; }; fi
  list_boundaries "$list" "$title" "$@"
  [[ -s $list ]] || return 1
  while take_batch "$list" "$title"; do
    kill_batch "$list" "$title" "$@"
    reset_world
  done
  begin_fault "$title: no write was lost in all of this"
  for guest in "${movers[@]}"; do judge_guest; done
  end_fault
  # Which of them is at fault is not known here, and the next faults need all of them.
  ((went_badly == 0)) || { went_badly=0 && remake_lab; }
  [[ $* != *tls* ]] || remove_certificates
}

# A move that nobody disturbs passes every boundary; the first to come here makes the list.
list_boundaries() { # LIST TITLE words...
  local list=$1 title=$2 log=/root/boundaries words
  shift 2
  exec {list_lock}>"$list.lock"
  flock "$list_lock"
  if [[ ! -e $list ]]; then
    use_guest "${movers[0]}"
    mapfile -t words < <(stock_move "$@")
    begin_fault "$title: no fault"
    : >"$work/all"
    "$lab" on ctl rm -f $log
    "$lab" on ctl env NO_COLOR=1 FAULT_LOG=$log FAULT_DOMAIN="$guest" FAULT_FROM="$from" FAULT_TO="$to" \
      "$drover_program" "${words[@]}" >"$work/all" 2>&1 || note_fault "the move failed without any fault"
    recover_well
    # A port that libvirt refuses is left for another one: a move of its own, which the next one need not be.
    "$lab" on ctl cat $log | grep -v ': open PORTS/tcp .*([0-9]*)$' >"$list.new"
    "$lab" on ctl rm -f $log
    (($(wc -l <"$list.new") >= 20 && $(commit_of "$list.new") > 10)) ||
      note_fault "these are not the boundaries of a move: $(<"$list.new")"
    judge_place moved
    judge_residue
    judge_guest
    end_fault
    reset_world
    mv "$list.new" "$list"
  fi
  exec {list_lock}>&-
}

# The line of the commit: from there on, the work stands.
commit_of() { sed -n '/^before commit:/=' "$1"; }

# In the short form a boundary is claimed by its name alone: the first channel that has it shows it.
is_left() { # LIST TITLE
  local name position=0
  while read -r name; do
    position=$((position + 1))
    ! may_take "$2" "$name" $position claimed || return 0
  done <"$1"
  return 1
}
may_take() { # TITLE NAME POSITION [claimed]
  local verb=${4:-claim}
  if [[ $verb == claimed ]]; then
    [[ $long == no ]] && ! claimed "$2" && return 0
    [[ $long == yes || $(($3 % sample_every)) == 5 ]] && ! claimed "$1" "$2"
    return
  fi
  if [[ $long == no ]] && claim "$2"; then
    claim "$1" "$2"
    return 0
  fi
  [[ $long == yes || $(($3 % sample_every)) == 5 ]] && claim "$1" "$2"
}

take_batch() { # LIST TITLE: sets $batch, names, and $positions
  local name position=0
  batch=() positions=()
  while read -r name; do
    position=$((position + 1))
    ((${#batch[@]} < ${#movers[@]})) || break
    may_take "$2" "$name" $position || continue
    batch+=("$name")
    positions+=("$position")
  done <"$1"
  ((${#batch[@]} > 0))
}

kill_batch() { # LIST TITLE words...
  local commit title=$2 index total code reached own expected results output started=${EPOCHREALTIME/./} elapsed_ms
  commit=$(commit_of "$1") total=$(wc -l <"$1")
  shift 2
  begin_fault "$title: a recovery of ${#batch[@]} runs"
  for index in "${!batch[@]}"; do
    use_guest "${movers[index]}"
    printf '%s\t%s\t%s\t%s\n' "${batch[index]}" "$guest" "$from" "$to"
  done >"$work/batch"
  # shellcheck disable=SC2016
  "$lab" on ctl env NO_COLOR=1 bash -c 'folder=$(mktemp -d) && "$1/kill-together" "$folder" "${@:2}"; code=$?
    tail -n +1 "$folder"/[0-9] >&2; rm -r "$folder"; exit $code' - "$faults" "$drover_program" "$@" \
    <"$work/batch" >"$work/results" 2>"$work/all"
  mapfile -t results <"$work/results"
  recover_well
  local operators=$operator
  output=("${found[@]}") elapsed_ms=$(((${EPOCHREALTIME/./} - started) / 1000 / ${#batch[@]}))
  for index in "${!batch[@]}"; do
    use_guest "${movers[index]}"
    begin_fault "$title: killed at ${positions[index]} of $total, ${batch[index]}"
    started_ms=$((${EPOCHREALTIME/./} / 1000 - elapsed_ms))
    IFS=$'\t' read -r code reached own <<<"${results[index]:-}"
    [[ $code == 137 && $reached == "${batch[index]}" ]] ||
      note_fault "it was to be killed there: exit code ${code:-none}, and it stood at '$reached'"
    expected=stayed
    ((positions[index] < commit)) || expected=moved
    # Two of the runs may choose the same ports at the same moment; one of them then fails, as it should.
    if [[ -n $own && $title =~ (direct|tls) ]]; then
      expected=stayed fault_name+=", after its move had failed"
    elif [[ -n $own ]]; then
      note_fault "the run failed by itself: $own"
    fi
    judge_place $expected
    judge_writers
    if ((index == 0)); then  # of all of them
      found+=("${output[@]}") operator=$operators
      judge_residue
    fi
    end_fault
  done
}

# ---- certificates, for channel tls ----

make_certificates() {
  local folder=$work/pki host ip file
  mkdir -p "$folder"
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout "$folder/ca.key" -out "$folder/ca-cert.pem"
    for host in a b; do
      ip=$("$lab" on "$host" getent ahostsv4 "$host" | sed -n '1s/ .*//p')
      openssl req -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout "$folder/key.pem" -out "$folder/$host.csr"
      openssl x509 -req -in "$folder/$host.csr" -CA "$folder/ca-cert.pem" -CAkey "$folder/ca.key" -CAcreateserial \
        -days 2 -extfile <(echo "subjectAltName=DNS:$host,IP:$ip") -out "$folder/cert.pem"
      "$lab" on "$host" mkdir -p /etc/pki/qemu
      for file in ca-cert:ca-cert cert:server-cert key:server-key cert:client-cert key:client-key; do
        "$lab" on "$host" sh -c "cat >/etc/pki/qemu/${file#*:}.pem; chmod 644 /etc/pki/qemu/${file#*:}.pem" \
          <"$folder/${file%:*}.pem"
      done
    done
  } >"$work/out" 2>&1 && fingerprints before
}
remove_certificates() {
  "$lab" on a rm -rf /etc/pki/qemu
  "$lab" on b rm -rf /etc/pki/qemu
  fingerprints before
}
