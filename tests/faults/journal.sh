# The journal itself is damaged: the one of a real run that died with everything out. Sourced by tests/faults/run after
# breaks.sh, which has the words used here.
# shellcheck shell=bash

# A run dies with all its leases out; its journal is copied, with SQLite's log, as the crash left it.
die_with_a_journal() { # COPY, a folder of the controller
  local words
  "$lab" on ctl rm -rf /var/lib/drover  # of no other run
  mapfile -t words < <(stock_move)
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" 'after intent: ask .* who has the domain' -- \
    "$drover_program" "${words[@]}" >"$work/all" 2>&1
  "$lab" on ctl sh -c 'rm -rf "$1" && cp -rp /var/lib/drover "$1"' - "$1"
}

# Truncations and flipped bits in every page and record, of copies (journal.lua); then the real one is recovered.
break_journal_damaged() {
  local every=2
  [[ $long == yes ]] || every=29
  die_with_a_journal /tmp/journal
  "$lab" on ctl "$drover_program" "$faults/journal.lua" /tmp/journal $every >>"$work/all" 2>&1 ||
    note_fault "$(grep -v '^stopped at' "$work/all" | tail -n 12)"
  "$lab" on ctl rm -rf /tmp/journal
  recovered_as stayed
}

# Its log is deleted by somebody who takes it for litter: recover says so and touches nothing, and with the log back it
# finishes.
break_journal_without_its_log() {
  local code=0
  die_with_a_journal /tmp/journal
  "$lab" on ctl rm -f /var/lib/drover/journal.db-wal /var/lib/drover/journal.db-shm
  drover_on ctl recover || code=$?
  [[ $code != 0 ]] || note_fault "drover recover: exit code 0 with a journal that lost its end"
  cat "$work/out" >>"$work/all"
  said 'is damaged: run'
  fingerprints after
  ! same_as_before || note_fault "recover took back what a journal without its end does not say"
  "$lab" on ctl sh -c 'rm -rf /var/lib/drover && mv "$1" /var/lib/drover' - /tmp/journal
  recovered_as stayed
}
