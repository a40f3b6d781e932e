# lab shared: storage that libvirt itself takes for shared, so that moves need no --unsafe. A GlusterFS
# volume of one brick on ctl, mounted by FUSE at /srv/shared on every host, with an active pool "shared".
# (A bind-mounted directory is not seen as shared, and many kernels here have no NFS.)

lab_shared() {
  [[ -r $session_file ]] || die "the lab is not up: lab up"
  take_machine_lock
  case ${1:-} in
    up) shared_up ;;
    down) shared_down ;;
    *) wrong_use "shared: up or down" ;;
  esac
}

shared_is_up() {
  local name
  [[ -e $shared_mark ]] || return 1
  for name in $(lab_hosts); do on_host "$name" mountpoint --quiet /srv/shared || return 1; done
}

shared_up() {
  local name
  if shared_is_up; then say "shared storage is already up"; return; fi
  [[ ! -e $shared_mark ]] || shared_down
  touch "$shared_mark"
  # glusterd -and with it every mount- starts only when its own name and port answer.
  on_host ctl bash -euc '
    mkdir -p /var/lib/libvirt/images/brick /var/log/glusterfs/bricks
    pidof glusterd >/dev/null || glusterd
    for try in $(seq 200); do gluster volume list >/dev/null 2>&1 && break; sleep 0.05; done
    gluster --mode=script volume create shared ctl:/var/lib/libvirt/images/brick force
    gluster --mode=script volume set shared network.ping-timeout 10
    gluster --mode=script volume start shared
  ' >/dev/null || die "the GlusterFS volume does not start: see /var/log/glusterfs on ctl"
  for name in $(lab_hosts); do
    poll 20 mount_shared_on "$name" || die "host $name cannot mount the volume: see /var/log/glusterfs there"
    on_host "$name" bash -euc '
      virsh --quiet pool-info shared >/dev/null 2>&1 || virsh --quiet pool-define-as shared dir --target /srv/shared
      virsh --quiet pool-autostart shared
      virsh --quiet pool-start shared
    ' >/dev/null
  done
}

mount_shared_on() {
  on_host "$1" bash -c 'mountpoint --quiet /srv/shared || mount -t glusterfs ctl:/shared /srv/shared' >/dev/null 2>&1
}

# Guests that have their disk there must be gone before. umount alone would not notice them: a QEMU has a
# mount namespace of its own, where the volume stays mounted.
shared_down() {
  local name
  [[ -e $shared_mark ]] || return 0
  for name in $(lab_hosts); do
    host_is_ready "$name" || continue
    on_host "$name" bash -uc '
      ! pgrep -f "[q]emu-system.*/srv/shared/" || exit 1
      ! mountpoint --quiet /srv/shared || umount /srv/shared || exit 1
      virsh --quiet pool-destroy shared; virsh --quiet pool-undefine shared
      true
    ' >/dev/null 2>&1 || die "/srv/shared is in use on $name: destroy its guests first"
  done
  on_host ctl bash -uc '
    gluster --mode=script volume stop shared force
    gluster --mode=script volume delete shared
    pkill -x glusterd; pkill -x glusterfsd
    for try in $(seq 200); do pidof glusterd glusterfsd >/dev/null || break; sleep 0.05; done
    rm -rf /var/lib/libvirt/images/brick /var/lib/glusterd/vols/*
  ' >/dev/null 2>&1
  rm -f "$shared_mark"
}
