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
