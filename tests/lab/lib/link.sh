# lab link: what can happen to a cable. All of it is done at the host's port of the switch, out of the
# host's own sight and reach.
#
#   cut       nothing goes through, and neither side is told: a broken switch somewhere
#   unplug    the host sees its cable out
#   drop-out  drop-in    one way only: what the host sends, or what it should get. With an nft match
#             ("tcp dport 22") only that: the control link without the data link, or the other way
#   rate      slow, both ways
#   delay     late, each way (netem; a relay of ours where the kernel has none)
#   reset     every TCP connection with another host breaks at once

lab_link() {
  local name=${1:-} action=${2:-}
  [[ -n $action ]] || wrong_use "link: lab link HOST cut|unplug|drop-out|drop-in|rate|delay|reset|restore|show"
  require_host "$name"
  shift 2
  case $action in
    cut) link_relay_stop "$name"; switch_ip link set "$name-host" nomaster ;;
    unplug) switch_ip link set "$name-host" down ;;
    drop-out) link_drop "$name" ingress "$@" ;;
    drop-in) link_drop "$name" egress "$@" ;;
    rate) link_rate "$name" "${1:-}" ;;
    delay) link_delay "$name" "${1:-}" ;;
    reset) on_host "$name" ss --kill --tcp --no-header state connected dst $host_network.0/24 >/dev/null ;;
    restore) link_restore "$name" ;;
    show) link_show "$name" ;;
    *) wrong_use "link: what is '$action'?" ;;
  esac
}

in_switch() { ip netns exec "$(network_namespace switch)" "$@"; }
whole_number() { [[ ${1:-} =~ ^[1-9][0-9]*$ ]] || wrong_use "link: a whole number above 0 is wanted, not '${1:-}'"; }

link_drop() {
  local name=$1 hook=$2
  shift 2
  in_switch nft -f - <<END
table netdev ${name}_$hook
delete table netdev ${name}_$hook
table netdev ${name}_$hook { chain dropped { type filter hook $hook device "$name-host" priority 0; policy accept; $* drop; }; }
END
}

link_rate() {
  local name=$1 kilobits=$2
  whole_number "$kilobits"
  # At the port for what comes in; inside the host's namespace for what goes out.
  switch_ip_tc switch "$name-host" "$kilobits"
  switch_ip_tc "$name" eth0 "$kilobits"
}
switch_ip_tc() {
  tc -n "$(network_namespace "$1")" qdisc replace dev "$2" root tbf rate "$3kbit" burst 64kb latency 400ms
}

link_delay() {
  local name=$1 milliseconds=$2
  whole_number "$milliseconds"
  link_relay_stop "$name"
  if tc -n "$(network_namespace switch)" qdisc replace dev "$name-host" root netem delay "${milliseconds}ms" 2>/dev/null; then
    tc -n "$(network_namespace "$name")" qdisc replace dev eth0 root netem delay "${milliseconds}ms"
    return
  fi
  link_relay_start "$name" "$milliseconds"
}

# Without netem: the host's port leaves the bridge, and a relay carries each frame over, late.
link_relay_start() {
  local name=$1 milliseconds=$2 space ready=$lab_directory/hosts/$1/relay
  space=$(network_namespace switch)
  rm -f "$ready"
  switch_ip link add "$name-late" type veth peer name "$name-port"
  switch_ip link set "$name-host" nomaster
  switch_ip link set "$name-late" up
  switch_ip link set "$name-port" master hosts up
  # The relay must see whole frames with their checksums: no offload where frames enter.
  link_offload "$name" eth0 off
  link_offload switch "$name-port" off
  (
    close_inherited_descriptors
    exec setsid ip netns exec "$space" python3 "$lab_source/late-relay" "$name-host" "$name-late" "$milliseconds" "$ready"
  ) </dev/null >"$ready.log" 2>&1 &
  disown "$!"
  poll 10 test -e "$ready" || die "the relay does not start: $(cat "$ready.log")"
}

# The relay ends by itself when its interface is gone.
link_relay_stop() {
  local name=$1
  switch_ip link show "$name-late" >/dev/null 2>&1 || return 0
  switch_ip link delete "$name-late"
  link_offload "$name" eth0 on
}

link_offload() {
  ip netns exec "$(network_namespace "$1")" ethtool --offload "$2" tx "$3" tso "$3" gso "$3" gro "$3" >/dev/null
}

link_restore() {
  local name=$1 hook
  link_relay_stop "$name"
  for hook in ingress egress; do in_switch nft delete table netdev "${name}_$hook" 2>/dev/null || true; done
  tc -n "$(network_namespace switch)" qdisc delete dev "$name-host" root 2>/dev/null || true
  tc -n "$(network_namespace "$name")" qdisc delete dev eth0 root 2>/dev/null || true
  switch_ip link set "$name-host" up master hosts
}

link_show() {
  switch_ip -brief link show "$name-host"
  in_switch nft list ruleset | grep -A3 "netdev ${name}_" || true
  tc -n "$(network_namespace switch)" qdisc show dev "$name-host"
  tc -n "$(network_namespace "$name")" qdisc show dev eth0
}
