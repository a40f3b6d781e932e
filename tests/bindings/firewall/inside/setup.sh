#!/bin/bash
# setup.sh BACKEND: makes a small network inside fresh namespaces, with a firewall of that kind on "this" host.
# 10.5.0.1 (and fd05::1) is this host; "peer" (10.5.0.2, 10.5.0.3, fd05::2) is another one; "inner" (10.6.0.2) is
# behind this host. Run by ../firewall_test.lua inside `unshare -m -n -p`; everything ends with those namespaces.
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/netns
ip link set lo up
ip netns add peer
ip netns add inner
ip link add eth0 type veth peer name eth0 netns peer
ip link add eth1 type veth peer name eth0 netns inner
ip addr add 10.5.0.1/24 dev eth0; ip addr add fd05::1/64 dev eth0 nodad; ip link set eth0 up
ip addr add 10.6.0.1/24 dev eth1; ip link set eth1 up
for address in 10.5.0.2/24 10.5.0.3/24; do ip -n peer addr add $address dev eth0; done
ip -n peer addr add fd05::2/64 dev eth0 nodad
ip -n inner addr add 10.6.0.2/24 dev eth0
for name in peer inner; do ip -n $name link set eth0 up; ip -n $name link set lo up; done
ip -n inner route add default via 10.6.0.1
echo 1 > /proc/sys/net/ipv4/ip_forward

case $1 in
nftables)
  nft -f - <<'RULES'
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    tcp dport 22 accept comment "the administrator's"
  }
  chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
}
table inet late {
  chain input { type filter hook input priority 50; jump guarded; }
  chain guarded { icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; iif lo accept; tcp dport != 22 reject; }
}
RULES
  ;;
iptables)
  for tool in iptables ip6tables; do
    $tool -w -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
    $tool -w -A INPUT -i lo -j ACCEPT
    $tool -w -A INPUT -p tcp --dport 22 -m comment --comment "the administrator's \"own\"" -j ACCEPT
    # iptables itself never removes the empty chains of the nat table that it once made.
    for chain in PREROUTING POSTROUTING; do $tool -w -t nat -P $chain ACCEPT; done
    $tool -w -P FORWARD DROP
    $tool -w -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
  done
  ip6tables -w -A INPUT -p icmpv6 -j ACCEPT
  for tool in iptables ip6tables; do $tool -w -P INPUT DROP; done
  ;;
firewalld)
  mount -t tmpfs tmpfs /etc/firewalld
  mkdir -p /etc/firewalld/zones
  mount -t tmpfs tmpfs /var/log
  dbus-daemon --system --fork --nopidfile
  firewalld --nopid
  for _ in $(seq 200); do
    busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus NameHasOwner s \
      org.fedoraproject.FirewallD1 | grep -q true && break
    sleep 0.02
  done
  for change in 'changeZoneOfInterface ss public eth0' 'addSource ss dmz 10.5.0.3'; do
    busctl --system -q call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
      org.fedoraproject.FirewallD1.zone $change
  done
  ;;
esac
