# lab up, down, status and run.

lab_up() {
  local count=2 firewall=${LAB_FIREWALL:-firewalld} trust=yes pool_size='' names started=${EPOCHREALTIME/./}
  while [[ $# -gt 0 ]]; do
    case $1 in
      --firewall) firewall=${2:?}; shift 2 ;;
      --no-trust) trust=no; shift ;;
      --pool-size) pool_size=${2:?}; shift 2 ;;
      [1-8]) count=$1; shift ;;
      *) wrong_use "up: what is '$1'? (1 to 8 hosts, --firewall, --no-trust, --pool-size)" ;;
    esac
  done
  require_root
  refuse_foreign_session
  check_firewall_choice "$firewall"
  names=${all_host_names[*]:0:count}
  install_lab_packages
  take_machine_lock
  local session="hosts=$names
number=$lab_number
firewall=$firewall
trust=$trust
pool_size=$pool_size"
  if lab_is_whole; then
    [[ $session == "$(<"$session_file")" ]] || die "a lab with other settings is up ($(paste -sd' ' "$session_file")): lab down first"
    say "already up: $names ctl"
    return 0
  fi
  refuse_foreign_lab
  tear_down
  trap 'say "did not come up: taking the rest away"; tear_down' EXIT
  trap 'exit 130' INT TERM HUP
  mkdir -p "$lab_directory" "$hosts_directory" "$guests_directory" "$cache_directory"
  chmod 755 "$lab_directory"
  make_machine
  printf '%s\n' "$lab_directory" >"$owner_file"
  printf '%s\n' "$session" >"$session_file.new"
  mv "$session_file.new" "$session_file"
  [[ -z ${DROVER_LAB_SESSION:-} ]] || touch "$lab_directory/made_by_run"
  with_cache keep_emulator
  start_hosts "$firewall" "$trust" "$pool_size" $names
  touch "$lab_directory/complete"
  trap - EXIT INT TERM HUP
  say "up in $(((${EPOCHREALTIME/./} - started) / 1000)) ms: $names ctl ($firewall)"
}

start_hosts() {
  local firewall=$1 trust=$2 pool_size=$3 name
  shift 3
  make_keys "$@" ctl
  {
    echo '127.0.0.1 localhost'
    for name in "$@" ctl; do echo "$(host_address "$name") $name.lab.test $name"; done
  } >"$lab_directory/hosts_file"
  make_switch
  for name in "$@" ctl; do
    plug_host "$name"
    prepare_host "$name" "$(firewall_of "$name" "$firewall")" "$trust" "$pool_size"
    boot_host "$name"
  done
  for name in "$@" ctl; do wait_for_host "$name"; done
}

# QEMU's capabilities take libvirt seconds to find out; they are the same for every host and lab.
keep_capabilities_of() {
  local found=$hosts_directory/$1/upper/var/cache/libvirt/qemu/capabilities
  [[ -d $found && ! -e $cache_directory/capabilities ]] || return 0
  on_host "$1" virsh --quiet domcapabilities --virttype qemu --emulatorbin /usr/local/bin/qemu-lab >/dev/null 2>&1 ||
    return 0
  with_cache copy_capabilities "$found"
}
# What was found out of another one says nothing of this one.
keep_emulator() {
  ! cmp --quiet "$lab_source/guest/qemu-lab" "$cache_directory/qemu-lab" || return 0
  rm -rf "$cache_directory/capabilities"
  install -m 755 "$lab_source/guest/qemu-lab" "$cache_directory/qemu-lab.new"
  mv "$cache_directory/qemu-lab.new" "$cache_directory/qemu-lab"
}
# A host that starts just now sees all of it or nothing.
copy_capabilities() {
  rm -rf "$cache_directory/capabilities.new"
  cp -rp "$1" "$cache_directory/capabilities.new"
  mv -T "$cache_directory/capabilities.new" "$cache_directory/capabilities" 2>/dev/null || rm -rf "$cache_directory/capabilities.new"
}

check_firewall_choice() {
  local word
  for word in ${1//,/ }; do
    [[ ${word#[a-h]=} =~ ^(firewalld|nftables|iptables|none)$ ]] ||
      wrong_use "no firewall '$word': firewalld, nftables, iptables or none; for one host: a=nftables,b=none"
  done
}

# firewall_of HOST CHOICE: CHOICE is one word for all, or host=word,... where hosts left out get firewalld.
firewall_of() {
  local word
  [[ $1 != ctl ]] || { echo none; return; }
  for word in ${2//,/ }; do [[ $word != "$1="* ]] || { echo "${word#*=}"; return; }; done
  for word in ${2//,/ }; do [[ $word == *=* ]] || { echo "$word"; return; }; done
  echo firewalld
}

install_lab_packages() {
  # shellcheck source=/dev/null
  source "$lab_source/../packages/install"
  ensure_packages lab.list
}

lab_is_whole() {
  local name
  [[ -e $lab_directory/complete && -e $session_file ]] || return 1
  for name in $(lab_hosts) ctl; do host_is_ready "$name" || return 1; done
}

refuse_foreign_lab() {
  local owner number
  number=$(session_value number 2>/dev/null) || true
  [[ ${number:-$lab_number} == "$lab_number" || ! -e /run/$(name_of_lab "$number").owner ]] ||
    die "$lab_directory is the lab with the number $number: LAB_NUMBER=$number LAB=$lab_directory lab down"
  owner=$(cat "$owner_file" 2>/dev/null) || return 0
  [[ $owner != "$lab_directory" ]] && namespace_exists switch || return 0
  die "another lab is up in $owner: LAB=$owner lab down"
}

lab_down() {
  local purge=no
  [[ ${1:-} != --purge ]] || purge=yes
  require_root
  refuse_foreign_session
  take_machine_lock
  refuse_foreign_lab
  if [[ -r $session_file ]]; then keep_capabilities_of a; fi
  tear_down
  [[ $purge == no ]] || with_cache rm -rf --one-file-system "$cache_directory"
  rmdir --ignore-fail-on-non-empty "$lab_directory" 2>/dev/null || true
}

# Takes away all that any up, whole or half, may have made. Each step stands alone: asks what is there.
tear_down() {
  local name
  for name in "${all_host_names[@]}" ctl; do
    if namespace_exists "$name"; then kill_namespace_processes "$name"; fi
  done
  for name in "${all_host_names[@]}" ctl; do
    kill_host "$name"
    remove_namespace "$name"
  done
  remove_switch
  rm -rf --one-file-system "$hosts_directory" "$keys_directory" "$guests_directory" "$lab_directory/shared" \
    "$session_file" "$session_file.new" "$lab_directory/complete" "$lab_directory/made_by_run" "$lab_directory/ssh_config" \
    "$lab_directory/known_hosts" "$lab_directory/hosts_file"
  rm -f "$owner_file"
  # What `lab run` runs is in there.
  [[ -n ${DROVER_LAB_SESSION:-} ]] || remove_machine
}

lab_status() {
  local name state json=no
  [[ ${1:-} != --json ]] || json=yes
  if ! [[ -r $session_file ]]; then
    if [[ $json == yes ]]; then echo '{"up":false}'; else echo "lab is down ($lab_directory)"; fi
    return 1
  fi
  if [[ $json == no ]]; then
    printf '%-5s %-12s %-10s %-6s %s\n' host address firewall state domains
    for name in $(lab_hosts) ctl; do
      state=dead
      if host_is_ready "$name"; then state=ready; elif host_alive "$name"; then state=starting; fi
      printf '%-5s %-12s %-10s %-6s %s\n' "$name" "$(host_address "$name")" \
        "$(firewall_of "$name" "$(session_value firewall)")" "$state" "$(domains_of "$name" | paste -sd' ')"
    done
    return
  fi
  local separator='' whole=false
  if lab_is_whole; then whole=true; fi
  printf '{"up":%s,"number":%d,"directory":"%s","ssh_config":"%s","trust":"%s","hosts":[' "$whole" "$lab_number" "$lab_directory" \
    "$lab_directory/ssh_config" "$(session_value trust)"
  for name in $(lab_hosts) ctl; do
    state=dead
    if host_is_ready "$name"; then state=ready; fi
    printf '%s{"name":"%s","address":"%s","firewall":"%s","state":"%s","domains":[%s]}' "$separator" "$name" \
      "$(host_address "$name")" "$(firewall_of "$name" "$(session_value firewall)")" "$state" \
      "$(domains_of "$name" | sed 's/.*/"&"/' | paste -sd,)"
    separator=,
  done
  echo ']}'
}

domains_of() {
  [[ $1 != ctl ]] && host_is_ready "$1" || return 0
  on_host "$1" timeout 10 virsh --quiet list --all --name | sed '/^$/d' || true
}

# lab run [--empty] [up options] -- COMMAND...: waits for a free number, makes a new lab, runs COMMAND in the network of
# its machine, takes the lab away. With --empty the turn only: COMMAND calls up and down itself.
lab_run() {
  local -a options=()
  local code=0 empty=no
  while [[ $# -gt 0 && $1 != -- ]]; do
    if [[ $1 == --empty ]]; then empty=yes; else options+=("$1"); fi
    shift
  done
  [[ ${1:-} == -- && $# -gt 1 ]] || wrong_use "run: lab run [up options] -- COMMAND..."
  shift
  require_root
  install_lab_packages # before COMMAND is in a network without a way out
  take_turn
  export DROVER_LAB_SESSION=$$ LAB=$lab_directory LAB_NUMBER=$lab_number
  # Whoever presses Ctrl-C again while the lab is taken down would leave half of it.
  trap 'trap "" INT TERM HUP; "$lab_source/lab" down; remove_machine' EXIT
  trap 'exit 130' INT TERM HUP
  make_machine
  [[ $empty == yes ]] || "$lab_source/lab" up "${options[@]}"
  in_machine "$@" || code=$?
  return "$code"
}

# The number that is asked for, or the first free one: never the lab of another test run, nor of a person who is at work
# in it. Those are waited for.
take_turn() {
  local -a numbers=("${LAB_NUMBER:-}")
  [[ -n ${LAB_NUMBER:-} ]] || mapfile -t numbers < <(seq "${LAB_AT_ONCE:-2}")
  take_one_of "${numbers[@]}" && return
  say "no lab is free (number ${numbers[*]}): waiting for a lab down"
  poll "${LAB_WAIT_SECONDS:-1800}" take_one_of "${numbers[@]}" || die "no lab became free (number ${numbers[*]})"
}
take_one_of() {
  local number
  for number in "$@"; do
    set_places "$number"
    exec {session_descriptor}>"$session_lock"
    if flock --nonblock "$session_descriptor" && lab_may_be_taken; then return 0; fi
    exec {session_descriptor}>&-
  done
  sleep 0.5
  return 1
}

# Free when there is none, when what is there is not whole, or when a run made it that is dead by now
# (we have the lock that it had).
lab_may_be_taken() {
  local owner
  namespace_exists switch && owner=$(cat "$owner_file" 2>/dev/null) || return 0
  if lab_may_be_removed "$owner"; then
    # Somebody may be starting one just now: down waits for that, so look again after its lock is free.
    flock "$machine_lock" true
    lab_may_be_removed "$owner" || return 1
    LAB_NUMBER=$lab_number DROVER_LAB_SESSION=$$ LAB=$owner "$lab_source/lab" down
    return 0
  fi
  return 1
}
lab_may_be_removed() {
  [[ -e $1/made_by_run ]] || ! LAB_NUMBER=$lab_number LAB=$1 "$lab_source/lab" status --json 2>/dev/null | grep -q '"up":true'
}
