# Names, places and small helpers that every part of the lab shares. Sourced by tests/lab/lab.

# Kernel and initramfs of guests, and QEMU's capabilities: the same for all labs of the machine.
readonly cache_directory=${LAB_CACHE:-/var/tmp/drover-lab/cache}
readonly cache_lock=/run/lock/drover-lab.cache
readonly namespaces_lock=/run/lock/drover-lab.namespaces
readonly all_host_names=(a b c d e f g h)
readonly host_network=10.77.0
readonly guest_network=10.77.1

# set_places NUMBER: where the lab of that number has its things. Names of network namespaces and addresses are the
# machine's, so there is one lab of a number at a time, whatever $LAB says. Lab 0 lives in the machine's own network;
# every other one has a network namespace in the machine's place (lib/switch.sh), so that labs do not see each other.
set_places() {
  [[ $1 =~ ^(0|[1-9][0-9]?)$ ]] || wrong_use "LAB_NUMBER is 0 to 99, not '$1'"
  lab_number=$1
  lab_name=$(name_of_lab "$1")
  lab_directory=${LAB:-/var/tmp/$lab_name}
  [[ $lab_directory =~ ^/[a-zA-Z0-9._-]+/[a-zA-Z0-9._/-]+$ && $lab_directory != *..* ]] ||
    wrong_use "LAB must be a full path of two or more plain names: '$lab_directory'"
  hosts_directory=$lab_directory/hosts
  keys_directory=$lab_directory/keys
  guests_directory=$lab_directory/guests
  session_file=$lab_directory/session
  shared_mark=$lab_directory/shared
  machine_lock=/run/lock/$lab_name.lock
  session_lock=/run/lock/$lab_name.session
  owner_file=/run/$lab_name.owner
}

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
wrong_use() { say "$*"; say "see: lab --help"; exit 2; }

# poll SECONDS COMMAND...: runs COMMAND until it succeeds; fails when the time is over. Between two tries it reads what
# never comes: a program that sleeps would cost more than most commands.
poll() {
  local seconds=$1 end
  shift
  end=$((${EPOCHREALTIME/./} + seconds * 1000000))
  until "$@"; do
    ((${EPOCHREALTIME/./} < end)) || return 1
    [[ -n ${never_comes:-} ]] || exec {never_comes}<> <(:)
    read -r -t 0.05 -u "$never_comes" || true
  done
}

network_namespace() { printf '%s-%s' "$lab_name" "$1"; }
namespace_exists() { [[ -e /run/netns/$(network_namespace "$1") ]]; }

# a=1, b=2 ...; the controller host is 100. It is the last number of every address of the host.
host_number() {
  local index
  [[ $1 != ctl ]] || { echo 100; return; }
  for index in "${!all_host_names[@]}"; do
    [[ ${all_host_names[index]} != "$1" ]] || { echo $((index + 1)); return; }
  done
  return 1
}
host_address() { printf '%s.%s' "$host_network" "$(host_number "$1")"; }
host_guest_address() { printf '%s.%s' "$guest_network" "$(($(host_number "$1") + 200 - ($(host_number "$1") / 100) * 100))"; }

# The hosts of the lab that is up, without ctl: one word each. Fails when no lab is up.
lab_hosts() {
  [[ -r $session_file ]] || return 1
  sed -n 's/^hosts=//p' "$session_file"
}
session_value() { sed -n "s/^$1=//p" "$session_file"; }

require_root() { [[ $EUID -eq 0 ]] || die "only root can make namespaces and mounts: run it as root"; }

require_host() {
  local name
  [[ -r $session_file ]] || die "the lab is not up: lab up"
  for name in $(lab_hosts) ctl; do [[ $name != "$1" ]] || return 0; done
  wrong_use "no host named '$1': there are $(lab_hosts) ctl"
}

name_of_lab() { if [[ $1 == 0 ]]; then echo drover-lab; else echo "drover-lab-$1"; fi; }

# Takes the lock that makes up and down one at a time. It ends with this process.
take_machine_lock() {
  exec {machine_lock_descriptor}>"$machine_lock"
  flock --wait 120 "$machine_lock_descriptor" || die "another lab command has held $machine_lock for two minutes"
}

# `lab run` holds the session lock; its own children are let in by DROVER_LAB_SESSION.
refuse_foreign_session() {
  [[ -z ${DROVER_LAB_SESSION:-} && -e $session_lock ]] || return 0
  flock --nonblock "$session_lock" true || die "a test run (lab run) has the lab now; try later, or use lab run yourself"
}

# The cache is used by one lab at a time.
with_cache() {
  (
    mkdir -p "$cache_directory"
    exec {descriptor}>"$cache_lock"
    flock "$descriptor"
    "$@"
  )
}

# Hosts outlive this command, so they must not keep its caller's pipes open.
close_inherited_descriptors() {
  local path number
  for path in /proc/"$BASHPID"/fd/*; do
    number=${path##*/}
    [[ $number -gt 2 ]] && eval "exec $number>&-" 2>/dev/null
  done
  return 0
}
