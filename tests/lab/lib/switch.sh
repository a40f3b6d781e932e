# The lab's wiring. All bridges live in a namespace of their own, so that the machine's bridges,
# firewall and br_netfilter settings neither see nor stop the lab's traffic. The machine itself gets
# two interfaces and is one more station on each net:
#
#   drover-lab-switch: [hosts]  -- machine dlab-hosts 10.77.0.254, each host's eth0 10.77.0.N
#                      [guests] -- machine dlab-guests 10.77.1.254, each host's br0 (uplink0), ctl's eth1
#
# A guest keeps its address after a move because br0 of every host is one Ethernet.

readonly netns_mount_mark=/run/drover-lab.netns

switch_ip() { ip -n "$(network_namespace switch)" "$@"; }

make_switch() {
  local net
  # The first `ip netns add` of a machine leaves a mount; remember that it was ours.
  mountpoint --quiet /run/netns || touch "$netns_mount_mark"
  ip netns add "$(network_namespace switch)"
  {
    echo "link set lo up"
    for net in hosts guests; do
      echo "link add $net type bridge forward_delay 0"
      echo "link set $net up"
    done
  } | switch_ip -batch -
  for net in hosts guests; do
    ip link add "dlab-$net" type veth peer name machine-"$net" netns "$(network_namespace switch)"
    switch_ip link set machine-"$net" master "$net" up
  done
  ip address add $host_network.254/24 dev dlab-hosts
  ip address add $guest_network.254/24 dev dlab-guests
  ip link set dlab-hosts up
  ip link set dlab-guests up
}

# Plugs a host in: eth0 into hosts; uplink0 (or eth1 of ctl) into guests. Addresses are given here.
plug_host() {
  local name=$1 space guest_side=uplink0
  space=$(network_namespace "$name")
  [[ $name != ctl ]] || guest_side=eth1
  ip netns add "$space"
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
    [[ ! -e /sys/class/net/dlab-$net ]] || ip link delete "dlab-$net" 2>/dev/null || true
  done
  if [[ -e $netns_mount_mark && -z $(ls -A /run/netns) ]]; then
    ! mountpoint --quiet /run/netns || umount /run/netns
    rmdir /run/netns
    rm -f "$netns_mount_mark"
  fi
}
