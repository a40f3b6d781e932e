# What the guest and the administrators of both hosts do in the middle of a move. Sourced by tests/faults/run after
# breaks.sh, which has the words used here.
# shellcheck shell=bash

# ---- the guest ----

# libvirt lets a shutdown wait for the end of the move; the guest then powers off where it is by then.
break_guest_is_shut_down() {
  speed=24MiB held || return
  "$lab" on "$from" virsh --quiet shutdown "$guest" --mode acpi >"$work/out" 2>&1
  ended_as any 0 1
}

guest_powers_off() {
  held && "$lab" on "$from" virsh --quiet shutdown "$guest" --mode agent >"$work/out" 2>&1 && ended_as any 0 1
}
# By its own agent, which libvirt asks while it moves the guest: it is off at once, wherever it is then.
break_guest_powers_off_by_itself() {
  while_libvirtd_is_kept_up "$from" guest_powers_off
}
# As a monitoring program may: libvirt 9.0 then misses the end of the guest most of the time, and its move never ends.
break_guest_powers_off_while_it_is_looked_at() {
  while_libvirtd_is_kept_up "$from" guest_powers_off_before_lookers
}
guest_powers_off_before_lookers() {
  local lookers code=0
  # shellcheck disable=SC2016
  "$lab" on "$from" sh -c 'for looker in 1 2 3; do
    for look in $(seq 1000); do echo "domjobinfo $1"; echo "domblkinfo $1 vda"; echo "dommemstat $1"; done |
      timeout 20 virsh >/dev/null 2>&1 &
  done; wait' - "$guest" &
  lookers=$!
  guest_powers_off || code=$?
  "$lab" on "$from" pkill -x virsh
  wait $lookers
  return $code
}

# ---- an administrator with virsh ----

break_job_aborted_by_hand() { held && "$lab" on "$from" virsh --quiet domjobabort "$guest" && ended_as stayed 1; }
break_domain_destroyed_at_the_source() { held && "$lab" on "$from" virsh --quiet destroy "$guest" >/dev/null && ended_as off 1; }
break_domain_destroyed_at_the_destination() {
  held && "$lab" on "$to" virsh --quiet destroy "$guest" >"$work/out" 2>&1 && ended_as stayed 1
}
break_second_move_by_virsh() {
  speed=16MiB held || return
  ! "$lab" on "$from" virsh --quiet migrate --live "$guest" "qemu+ssh://$to/system" >"$work/out" 2>&1 ||
    note_fault "libvirt let a second move begin"
  ended_as moved 0
}
break_second_move_by_drover() {
  local code=0
  speed=16MiB held || return
  drover_on ctl run live-migrate --domain "$guest" --from "$from" --to "$to" || code=$?
  [[ $code == 1 ]] || note_fault "the second run: exit code $code, wanted 1"
  grep -qE 'run [0-9]{8}-[0-9]{6}-[0-9a-f]+ of this domain is at work' "$work/out" ||
    note_fault "the second run does not name the first: $(<"$work/out")"
  ended_as moved 0
}
break_second_move_from_another_machine() {
  local code=0
  speed=16MiB held || return
  drover_on "$from" run live-migrate --domain "$guest" --to "$to" || code=$?
  [[ $code == 1 ]] || note_fault "the second run: exit code $code, wanted 1"
  grep -qE 'run [0-9]{8}-[0-9]{6}-[0-9a-f]+ .*is at work on this domain' "$work/out" ||
    note_fault "the second run does not name the first: $(<"$work/out")"
  "$lab" on "$from" rm -rf /var/lib/drover
  ended_as moved 0
}

# ---- an administrator with the firewall ----

break_firewall_reloaded() {
  speed=16MiB held --channel direct && until_event '"rate_bytes_s"' || return  # the connections are there
  "$lab" on "$to" firewall-cmd --quiet --reload
  opened_again || note_fault "the opening was not seen again after the reload, and before the move's end"
  ended_as moved 0
}
opened_again() {
  while kill -0 $run_process 2>/dev/null; do
    ! opening_on "$to" || return 0
    sleep 0.2
  done
  return 1
}
opening_on() { "$lab" on "$1" firewall-cmd --list-rich-rules | grep -q 'port="49[0-9-]*"'; }

# The administrator makes everything permanent while our opening is there: what is theirs stays, ours goes.
break_firewall_made_permanent() {
  "$lab" on "$to" firewall-cmd --quiet --runtime-to-permanent
  forget_backups
  fingerprints before
  speed=16MiB held --channel direct || return
  "$lab" on "$to" firewall-cmd --quiet --runtime-to-permanent
  ended_as moved 0
  forget_backups
  ! "$lab" on "$to" firewall-cmd --permanent --list-rich-rules | grep -q 'port="49' ||
    note_fault "the opening is permanent on $to"
}

# firewalld keeps what a zone was before its last change beside it, and never reads it again.
forget_backups() { "$lab" on "$to" find /etc/firewalld -name '*.old' -delete; }

# ---- somebody takes the port between its choice and its use ----

break_port_taken() {
  move_changed_at 'after done: open' \
    "ssh $to 'setsid -f timeout 60 busybox nc -l -p 49190 </dev/null >/dev/null 2>&1; sleep 0.3'" \
    --channel direct --port 49190
  run_ended 0 1
  "$lab" on "$to" pkill -f 'nc -l -p 49190'
  recovered_as either
}

# ---- other editors of authorized_keys ----

# Thirty-two others add a key each while the run adds and takes away its own; not one of theirs is lost.
break_keys_edited_at_the_same_moment() {
  local keys=/root/.ssh/authorized_keys
  "$lab" on "$to" cp -p $keys $keys.before
  # shellcheck disable=SC2016
  "$lab" on "$to" bash -c '
    for n in $(seq 32); do
      (for k in 1 2 3 4 5; do sleep "0.$((RANDOM % 9))"; echo "# other $n $k" >>"$1"; done) &
    done
    wait' - $keys &
  local editors=$!
  move_in_background
  wait $editors
  run_ended 0
  [[ $("$lab" on "$to" grep -c '^# other' $keys) == 160 ]] || note_fault "lines of other editors were lost"
  "$lab" on "$to" sed -i '/^# other/d' $keys
  "$lab" on "$to" cmp $keys $keys.before >/dev/null || note_fault "authorized_keys is not what it was"
  "$lab" on "$to" rm $keys
  "$lab" on "$to" mv $keys.before $keys
  recovered_as moved
}

# The keys' file has no final newline, or is not there at all, and drover dies in the grant: what it was is known from
# the intent.
break_killed_in_the_grant_of_a_key() {
  local how
  for how in no-newline no-file; do
    local words
    "$lab" on "$to" sh -c 'cd /root && cp -rp .ssh .ssh.kept && case $1 in
      no-newline) printf %s "$(cat .ssh/authorized_keys)" >.ssh/authorized_keys ;;
      no-file) mkdir /etc/ssh/other && printf "AuthorizedKeysFile /etc/ssh/other/%%u .ssh/authorized_keys\n" \
        >/etc/ssh/sshd_config.d/faults.conf ;;
    esac' - $how
    fingerprints before
    mapfile -t words < <(stock_move)
    "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" "after effect: let the run's key" \
      -- "$drover_program" "${words[@]}" >"$work/all" 2>&1
    recovered_as stayed
    judge_residue
    "$lab" on "$to" sh -c 'cd /root && rm -rf .ssh /etc/ssh/other /etc/ssh/sshd_config.d/faults.conf && mv .ssh.kept .ssh'
  done
  fingerprints before
  fingerprints after
}
