# The lab's wiring. All bridges live in a namespace of their own, so that the machine's bridges,
# firewall and br_netfilter settings neither see nor stop the lab's traffic. The machine itself gets
# two interfaces and is one more station on each net:
#
#   drover-lab-switch: [hosts]  -- machine dlab-hosts 10.77.0.254, each host's eth0 10.77.0.N
#                      [guests] -- machine dlab-guests 10.77.1.254, each host's br0 (uplink0), ctl's eth1
#
# A guest keeps its address after a move because br0 of every host is one Ethernet.
#
# With a lab number above 0 "the machine" of the lab is the network namespace drover-lab-NUMBER, and all names begin
# with that. It is there as long as the lab, or as long as the `lab run` that uses it: its CMD runs in there.

readonly netns_mount_mark=/run/drover-lab.netns

make_machine() {
  ((lab_number > 0)) || return 0
  [[ -e /run/netns/$lab_name ]] || add_namespace "$lab_name"
  ip -n "$lab_name" link set lo up
}
remove_machine() {
  ((lab_number > 0)) && [[ -e /run/netns/$lab_name ]] || return 0
  ip netns delete "$lab_name"
  forget_netns_mount
}
machine_ip() {
  local -a space=()
  ((lab_number == 0)) || space=(-n "$lab_name")
  ip "${space[@]}" "$@"
}
in_machine() { (enter_machine "$@"); }
# nsenter and not `ip netns exec`: the command keeps the machine's mounts, /sys as well.
enter_machine() {
  ((lab_number > 0)) || exec "$@"
  [[ -e /run/netns/$lab_name ]] || die "the lab is not up: lab up"
  exec nsenter --net="/run/netns/$lab_name" "$@"
}

# The first `ip netns add` of a machine leaves a mount; remember that it was ours. Other labs may come and go.
add_namespace() {
  (
    exec {descriptor}>"$namespaces_lock"
    flock "$descriptor"
    mountpoint --quiet /run/netns || touch "$netns_mount_mark"
    ip netns add "$1"
  )
}
forget_netns_mount() {
  (
    exec {descriptor}>"$namespaces_lock"
    flock "$descriptor"
    [[ -e $netns_mount_mark && -z $(ls -A /run/netns) ]] || exit 0
    ! mountpoint --quiet /run/netns || umount /run/netns
    rmdir /run/netns
    rm -f "$netns_mount_mark"
  )
}

switch_ip() { ip -n "$(network_namespace switch)" "$@"; }

make_switch() {
  local net
  add_namespace "$(network_namespace switch)"
  {
    echo "link set lo up"
    for net in hosts guests; do
      echo "link add $net type bridge forward_delay 0"
      echo "link set $net up"
    done
  } | switch_ip -batch -
  for net in hosts guests; do
    machine_ip link add "dlab-$net" type veth peer name machine-"$net" netns "$(network_namespace switch)"
    switch_ip link set machine-"$net" master "$net" up
  done
  machine_ip address add $host_network.254/24 dev dlab-hosts
  machine_ip address add $guest_network.254/24 dev dlab-guests
  machine_ip link set dlab-hosts up
  machine_ip link set dlab-guests up
}

# Plugs a host in: eth0 into hosts; uplink0 (or eth1 of ctl) into guests. Addresses are given here.
plug_host() {
  local name=$1 space guest_side=uplink0
  space=$(network_namespace "$name")
  [[ $name != ctl ]] || guest_side=eth1
  add_namespace "$space"
  {
    echo "link add $name-host type veth peer name eth0 netns $space"
    echo "link add $name-guest type veth peer name $guest_side netns $space"
    echo "link set $name-host master hosts up"
    echo "link set $name-guest master guests up"
  } | switch_ip -batch -
  {
    echo "link set lo up"
    echo "link set eth0 up"
    echo "link set $guest_side up"
    echo "address add $(host_address "$name")/24 dev eth0"
    if [[ $name == ctl ]]; then
      echo "address add $(host_guest_address ctl)/24 dev eth1"
    else
      echo "link add br0 type bridge forward_delay 0"
      echo "link set br0 up"
      echo "link set uplink0 master br0"
      echo "address add $(host_guest_address "$name")/24 dev br0"
    fi
  } | ip -n "$space" -batch -
}

# A namespace's interfaces go with it, and both ends of a veth go together.
remove_namespace() {
  local space
  space=$(network_namespace "$1")
  [[ -e /run/netns/$space ]] || return 0
  ip netns delete "$space"
}

remove_switch() {
  local net
  kill_host switch # the relay of a delayed link
  remove_namespace switch
  for net in hosts guests; do
    machine_ip link delete "dlab-$net" 2>/dev/null || true
  done
  forget_netns_mount
}
