# One host: prepare its directory, boot it in namespaces of its own, wait for it, enter it, kill it.
#
# hosts/NAME/ upper work   the copy-on-write half of its root
#             images       its /var/lib/libvirt/images: a real directory, so that disks use no memory
#             home         its /root
#             console      its /var/log/lab-guests: serial output of guests
#             settings     what host/init reads
#             process      the machine's number of its PID 1
#             ready        exists when the host is ready
#             log          what its start said
# Processes of a host are found by its network namespace, never by a stored number alone: a number may
# by then belong to somebody else.

prepare_host() {
  local name=$1 firewall=$2 trust=$3 pool_size=$4 directory=$hosts_directory/$1
  mkdir -p "$directory"/{upper,work,root,images,console,home,ssh}
  chmod 711 "$directory/images"
  chmod 700 "$directory/home"
  write_root_ssh "$name" "$directory/ssh" "$trust"
  {
    printf 'name=%q\n' "$name"
    printf 'firewall=%q\n' "$firewall"
    printf 'pool_size=%q\n' "$pool_size"
    printf 'directory=%q\n' "$directory"
    printf 'lab_directory=%q\n' "$lab_directory"
    printf 'restarted=no\n'
    printf 'keys=%q\n' "$keys_directory/$name"
    printf 'cache=%q\n' "$cache_directory"
    printf 'source_directory=%q\n' "$lab_source"
    printf 'qemu_user=%q\n' "${LAB_QEMU_USER:-}"
    printf 'shared_directories=(%s)\n' "$(directories_shared_with_hosts | xargs -r -d '\n' printf '%q ')"
    printf 'hosts_file=%q\n' "$lab_directory/hosts_file"
  } >"$directory/settings"
}

# The checkouts that hosts see as they are, read and write: this one, all its worktrees, $LAB_BIND.
directories_shared_with_hosts() {
  {
    git -C "$lab_source" worktree list --porcelain 2>/dev/null | sed -n 's/^worktree //p'
    (cd "$lab_source/../.." && pwd)
    tr : '\n' <<<"${LAB_BIND:-}"
  } | while read -r path; do [[ ! -d $path ]] || realpath "$path"; done | sort -u
}

boot_host() {
  local name=$1 directory=$hosts_directory/$1 space
  space=/run/netns/$(network_namespace "$name")
  (
    trap - EXIT INT TERM HUP
    close_inherited_descriptors
    cd /
    exec setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
      nsenter --net="$space" unshare --mount --uts --pid --ipc --fork --kill-child \
      bash "$lab_source/host/init" "$directory/settings"
  ) </dev/null >"$directory/log" 2>&1 &
  disown "$!"
}

# The machine's process number of a host's PID 1; fails when the host is not there.
host_process() {
  local process
  read -r process 2>/dev/null <"$hosts_directory/$1/process" || return 1
  [[ /proc/$process/ns/net -ef /run/netns/$(network_namespace "$1") ]] || return 1
  printf '%s' "$process"
}
host_alive() { host_process "$1" >/dev/null; }
host_is_ready() { [[ -e $hosts_directory/$1/ready ]] && host_alive "$1"; }
host_has_answered() { [[ -e $hosts_directory/$1/ready || -e $hosts_directory/$1/failed ]]; }

wait_for_host() {
  poll "${LAB_BOOT_SECONDS:-60}" host_has_answered "$1" && host_is_ready "$1" || {
    sed "s/^/lab: $1: /" "$hosts_directory/$1/log" >&2
    die "host $1 did not start; its log is above"
  }
}

kill_host() {
  local name=$1
  namespace_exists "$name" || return 0
  kill_namespace_processes "$name"
  poll 20 namespace_is_empty "$name" || die "processes of host $name do not end: $(ip netns pids "$(network_namespace "$name")" | xargs)"
}
kill_namespace_processes() {
  local -a processes
  mapfile -t processes < <(ip netns pids "$(network_namespace "$1")")
  [[ ${#processes[@]} -eq 0 ]] || kill -KILL "${processes[@]}" 2>/dev/null || true
}
namespace_is_empty() {
  [[ -z $(ip netns pids "$(network_namespace "$1")") ]] || { kill_namespace_processes "$1"; return 1; }
}

# lab crash HOST: a power cut. All of its processes end at once, and what it had in memory is gone: /run, the firewall's
# rules. What it wrote to its disks stays. lab restart HOST: it boots from them.
lab_crash() {
  require_host "${1:-}"
  kill_host "$1"
  rm -f "$hosts_directory/$1"/{ready,failed,process}
}
lab_restart() {
  require_host "${1:-}"
  ! host_alive "$1" || die "host $1 is up: lab crash $1"
  ip netns exec "$(network_namespace "$1")" nft flush ruleset
  sed -i 's/^restarted=.*/restarted=yes/' "$hosts_directory/$1/settings"
  boot_host "$1"
  wait_for_host "$1"
}

# enter_host [--terminal] HOST COMMAND...: replaces this process. The command keeps its environment and,
# when the host has it, its working directory; it gets SIGTERM when this process dies.
enter_host() {
  local name process directory=/root
  local -a terminal=()
  [[ $1 != --terminal ]] || { terminal=(script --quiet --return --command); shift; }
  name=$1
  shift
  process=$(host_process "$name") || die "host $name is dead (killed?): lab down; lab up"
  [[ ! -d /proc/$process/root$PWD ]] || directory=$PWD
  # TMPDIR: a host has a /tmp of its own.
  unset TMPDIR SSH_AUTH_SOCK SSH_CONNECTION SSH_CLIENT SSH_TTY DBUS_SESSION_BUS_ADDRESS "${!XDG_@}" "${!LIBVIRT_@}"
  export HOME=/root USER=root LOGNAME=root
  if [[ ${#terminal[@]} -gt 0 ]]; then set -- "${terminal[@]}" "$(printf '%q ' "$@")" /dev/null; fi
  # A daemon started this way must not keep our locks, nor our caller's pipes.
  close_inherited_descriptors
  exec nsenter --target "$process" --mount --uts --ipc --net --pid --root --wdns="$directory" \
    setpriv --pdeathsig TERM -- "$@"
}
on_host() { (enter_host "$@"); }
