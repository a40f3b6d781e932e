# The link between the hosts in the middle of a move: cut, dropped one way, late, reset; all of it, or only what controls
# the move, or only its data. Sourced by tests/faults/run after breaks.sh, which has the words used here.
# shellcheck shell=bash

mended() {
  "$lab" link "$to" restore
  residue_patience=24
}
break_link_cut() { held --mode managed && "$lab" link "$to" cut && sleep 25 && mended && ended_as either 0 1 3; }
break_link_cut_in_p2p() { held && "$lab" link "$to" cut && sleep 25 && mended && ended_as either 0 1 3; }
break_link_drops_what_the_destination_sends() { held && "$lab" link "$to" drop-out && sleep 25 && mended && ended_as either 0 1 3; }
break_link_drops_what_the_destination_gets() { held && "$lab" link "$to" drop-in && sleep 25 && mended && ended_as either 0 1 3; }
break_link_reset() { residue_patience=24; held && "$lab" link "$to" reset && ended_as either 0 1; }
break_link_reset_in_a_direct_move() {
  residue_patience=24
  held --channel direct && "$lab" link "$to" reset && ended_as either 0 1
}
break_link_late() {
  "$lab" link "$to" delay 4
  move_in_background --bandwidth 32MiB && ended_as moved 0
  mended
}
