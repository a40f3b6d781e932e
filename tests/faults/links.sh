# The link between the hosts in the middle of a move: cut, dropped one way, late, reset; all of it, only what controls
# the move, or only its data. Sourced by tests/faults/run after breaks.sh, which has the words used here.
#
# In channel direct the two are apart: memory and disks go to ports of libvirt's range, control goes through the run's
# ssh connection. A run on the controller has connections of its own to both hosts, which stay.
# shellcheck shell=bash

mended() {
  "$lab" link "$to" restore
  residue_patience=24
}
address_of() { "$lab" on "$1" getent ahostsv4 "$1" | sed -n '1s/ .*//p'; }

# ---- all of the destination's link ----

break_link_cut() { held --mode managed && "$lab" link "$to" cut && sleep 25 && mended && ended_as either 0 1 3; }
break_link_cut_in_p2p() { held && "$lab" link "$to" cut && sleep 25 && mended && ended_as either 0 1 3; }
break_link_drops_what_the_destination_sends() {
  held && "$lab" link "$to" drop-out && sleep 25 && mended && ended_as either 0 1 3
}
break_link_drops_what_the_destination_gets() {
  held && "$lab" link "$to" drop-in && sleep 25 && mended && ended_as either 0 1 3
}
break_link_reset() { residue_patience=24; held && "$lab" link "$to" reset && ended_as either 0 1; }
break_link_reset_in_a_managed_move() {
  residue_patience=24
  held --mode managed && "$lab" link "$to" reset && ended_as either 0 1
}
break_link_reset_in_a_direct_move() {
  residue_patience=24
  held --channel direct && "$lab" link "$to" reset && ended_as either 0 1
}
break_link_late() {
  "$lab" link "$to" delay 4
  move_in_background --bandwidth 32MiB && ended_as moved 0
  mended
}
break_link_becomes_late_in_the_middle() {
  speed=16MiB held && "$lab" link "$to" delay 60 && sleep 3 && mended && ended_as either 0 1
}

# ---- both die: the tunnel's ssh, and the link that would say so ----

# The run ends its session at the destination. One from another machine, which has the same port there, goes on.
break_tunnel_killed_behind_a_cut_link() {
  local source port others=10.77.0.100
  source=$(address_of "$from")
  held || return
  port=$("$lab" on "$to" ss -Htn state established "( sport = :22 and dst $source )" | awk '{ sub(/.*:/, "", $4); print $4 }')
  "$lab" on ctl ssh -o ControlPath=none -o ProxyCommand="$faults/connect-from $port %h %p" "$to" sleep 100 >"$work/out" 2>&1 &
  local other=$!
  sessions_come_to "$port" 2 || note_fault "there is no second session from port $port: $(sessions_from "$port"), $(<"$work/out")"
  "$lab" link "$to" drop-in "ip saddr $source"
  "$lab" link "$to" drop-out "ip daddr $source"
  "$lab" on "$from" pkill -KILL -f -- '^(timeout|ssh) .*/private/control'
  run_ended 1
  [[ $(sessions_from "$port") == "$others:$port" ]] ||
    note_fault "at the destination there should be only $others:$port: $(sessions_from "$port")"
  kill $other
  mended
  recovered_as stayed
}
# Who has an ssh session from that port at the destination.
sessions_from() { "$lab" on "$to" ss -Htn state established "( sport = :22 and dport = :$1 )" | awk '{ print $4 }' | paste -sd' '; }
sessions_come_to() { # PORT COUNT
  local try
  for ((try = 0; try < 50; try++)); do
    [[ $(sessions_from "$1" | wc -w) != "$2" ]] || return 0
    sleep 0.1
  done
  return 1
}

# ---- the link is cut where the run stands between two steps ----

# cut_at BOUNDARY: the destination's link is cut while the run stands there, and mended 25 s later.
cut_at() {
  local try
  "$lab" on ctl rm -f /root/boundary
  move_changed_at "$1" 'touch /root/boundary; while [ -e /root/boundary ]; do sleep 0.05; done'
  for ((try = 0; try < 300; try++)); do
    ! "$lab" on ctl test -e /root/boundary || break
    sleep 0.1
  done
  "$lab" link "$to" cut
  "$lab" on ctl rm /root/boundary || { mended; return 1; }
  sleep 25
  mended
}
break_link_cut_while_disks_are_prepared() { cut_at '^after intent: delete /var' && ended_as stayed 1 3; }
break_link_cut_while_the_channel_opens() { cut_at '^after intent: forward' && ended_as stayed 1 3; }
break_link_cut_before_the_last_revocation() { cut_at '^before end: forward' && ended_as moved 0 3; }

# ---- the data link alone: the time limit of the move acts while nothing of the data goes through ----

readonly data_ports=49152-49215

data_link() { # in|out [words...]
  local end=dport
  [[ $1 == in ]] || end=sport
  held --channel direct --timeout 5s "${@:2}" && "$lab" link "$to" "drop-$1" tcp $end $data_ports || return
  run_ended 1
  mended
  recovered_as stayed
}
break_data_link_drops_what_the_destination_gets() { data_link in; }
break_data_link_drops_what_the_destination_sends() { data_link out; }
break_data_link_drops_in_a_managed_move() { data_link in --mode managed; }
break_data_link_reset() {
  residue_patience=24
  held --channel direct && cut_connections "( sport >= :49152 )" && ended_as stayed 1
}
cut_connections() { # MATCH: at the destination, once there are any
  # shellcheck disable=SC2016
  "$lab" on "$to" bash -c 'for try in {1..100}; do
      [[ -z $(ss --kill --tcp --no-header state connected "$1") ]] || exit 0
      sleep 0.1
    done
    exit 1' - "$1"
}

# ---- the control link alone: the data arrives, and who runs the guest is to be agreed upon over a dead link ----

control_link() { # in|out
  local source match
  source=$(address_of "$from")
  match="ip saddr $source tcp dport 22"
  [[ $1 == in ]] || match="ip daddr $source tcp sport 22"
  # shellcheck disable=SC2086
  held --channel direct && "$lab" link "$to" "drop-$1" $match || return
  run_ended 0 1 3
  mended
  recovered_as either
}
break_control_link_drops_what_the_destination_gets() { control_link in; }
break_control_link_drops_what_the_destination_sends() { control_link out; }
break_control_link_reset() {
  residue_patience=24
  held --channel direct && cut_connections "( sport = :22 and dst $(address_of "$from") )" && ended_as either 0 1
}
