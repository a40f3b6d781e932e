# What runs on a host: sshd always; D-Bus, a firewall, virtlogd and libvirtd everywhere but on ctl.
# Everything starts at once and is waited for at the end. Sourced by host/init.

start_services() {
  /usr/sbin/sshd
  if [[ $name != ctl ]]; then
    dbus-daemon --system --fork --nopidfile
    "start_firewall_$firewall"
    /usr/sbin/virtlogd --daemon
    /usr/sbin/libvirtd --daemon
    wait_until "the firewall $firewall" "firewall_$firewall"_is_ready
    wait_until libvirtd libvirt_is_ready
  fi
  wait_until sshd sshd_is_ready
}

wait_until() {
  local what=$1 tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    [[ $tries -lt 1000 ]] || { echo "$what is not ready after a long wait"; return 1; }
    sleep 0.05
  done
}

sshd_is_ready() { (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null; }
libvirt_is_ready() { [[ -S /run/libvirt/libvirt-sock ]] && virsh --quiet pool-list --name 2>/dev/null | grep -qx 'default *'; }

# firewalld's public zone as it is shipped: ssh and dhcpv6-client are let in, nothing else.
start_firewall_firewalld() {
  cat >/etc/firewalld/firewalld.conf <<'END'
DefaultZone=public
CleanupOnExit=yes
CleanupModulesOnExit=no
IPv6_rpfilter=no
IndividualCalls=no
LogDenied=off
FirewallBackend=nftables
FlushAllOnReload=yes
RFC3964_IPv4=no
AllowZoneDrifting=no
END
  firewalld
}
firewall_firewalld_is_ready() {
  dbus-send --system --print-reply --dest=org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
    org.fedoraproject.FirewallD1.getDefaultZone >/dev/null 2>&1
}

start_firewall_nftables() {
  cat >/etc/nftables.conf <<'END'
#!/usr/sbin/nft -f
flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif "lo" accept
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport 22 accept comment "administrators"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
END
  nft -f /etc/nftables.conf
}
firewall_nftables_is_ready() { nft list chain inet filter input | grep -q 'policy drop'; }

start_firewall_iptables() {
  mkdir -p /etc/iptables
  cat >/etc/iptables/rules.v4 <<'END'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment administrators -j ACCEPT
COMMIT
END
  sed 's/-p icmp/-p ipv6-icmp/' /etc/iptables/rules.v4 >/etc/iptables/rules.v6
  iptables-restore --wait </etc/iptables/rules.v4
  ip6tables-restore --wait </etc/iptables/rules.v6
}
firewall_iptables_is_ready() { iptables --wait -S INPUT | grep -qx -e '-P INPUT DROP'; }

start_firewall_none() { :; }
firewall_none_is_ready() { return 0; }
