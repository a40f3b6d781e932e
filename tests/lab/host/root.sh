# The root file system of a host: a copy-on-write view of the machine's, with the machine's own state
# (its domains, keys, firewall, temporary files) taken out. Sourced by host/init.

build_root() {
  mount --make-rprivate /
  mount_copy_of / "$directory/upper" "$directory/work" "$directory/root"
  root=$directory/root
  mount_copies_of_other_file_systems
  mount_kernel_file_systems
  [[ $restarted == yes ]] || empty_machine_state
  mount_own_storage
  mount_shared_directories
  [[ $restarted == yes ]] || write_own_state
  [[ $name == ctl ]] || mount_emulator
}

# What a host that was restarted has on its disk already.
write_own_state() {
  write_identity
  write_ssh
  [[ $name == ctl ]] || write_libvirt
}

# An upper directory on overlayfs is refused by the kernel (a lab inside a container): memory then.
mount_copy_of() {
  local lower=$1 upper=$2 work=$3 target=$4
  if [[ $(stat --file-system --format %T "$upper") == overlayfs ]]; then
    mount -t tmpfs tmpfs "$directory"
    mkdir -p "$upper" "$work" "$target"
  fi
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$target"
}

# Overlay does not look through mount points: a /usr or /var of its own needs a copy of its own.
mount_copies_of_other_file_systems() {
  local target number=0
  while read -r target; do
    case $target in
      /usr | /var | /opt | /home | /srv | /boot | /var/lib | /var/cache | /var/log) ;;
      *) continue ;;
    esac
    number=$((number + 1))
    mkdir -p "$directory/others/$number"/{upper,work}
    mount_copy_of "$target" "$directory/others/$number/upper" "$directory/others/$number/work" "$root$target"
  done < <(findmnt --raw --noheadings --types ext2,ext3,ext4,xfs,btrfs,f2fs --output TARGET | sort)
}

mount_kernel_file_systems() {
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --bind /dev "$root/dev"
  mount -t devpts devpts -o newinstance,ptmxmode=666,mode=620,gid=5 "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount -t tmpfs tmpfs -o mode=755 "$root/run"
  mount -t tmpfs tmpfs -o mode=1777 "$root/tmp"
  mount -t tmpfs tmpfs -o mode=1777 "$root/var/tmp"
  mkdir -p "$root"/run/{sshd,dbus,lock,libvirt}
  # Bridged traffic of guests is not the host firewall's business, as on a host without br_netfilter.
  [[ ! -e $root/proc/sys/net/bridge/bridge-nf-call-iptables ]] || (
    cd "$root/proc/sys/net/bridge" || exit
    for switch in bridge-nf-call-*tables; do echo 0 >"$switch"; done
  )
}

empty_machine_state() {
  rm -rf "$root"/etc/libvirt/{qemu,storage,secrets} "$root"/etc/drover "$root"/var/lib/drover \
    "$root"/var/lib/libvirt/{qemu,dnsmasq} "$root"/var/log/libvirt "$root"/var/cache/libvirt/qemu \
    "$root"/etc/ssh/ssh_host_* "$root"/etc/ssh/sshd_config.d/* "$root"/etc/ssh/ssh_config.d/* \
    "$root"/etc/firewalld "$root"/etc/nftables.conf "$root"/etc/iptables \
    "$root"/var/lib/glusterd/{vols,peers,snaps,bitd,glusterd.info} "$root"/var/spool/cron/crontabs
  mkdir -p "$root"/etc/libvirt/{qemu/autostart,qemu/networks/autostart,storage/autostart,secrets} "$root"/var/lib/libvirt/qemu \
    "$root"/var/log/libvirt "$root"/var/cache/libvirt/qemu \
    "$root"/etc/firewalld/{zones,services,policies,ipsets,icmptypes,helpers} \
    "$root"/var/lib/libvirt/{images,boot} "$root"/var/log/lab-guests "$root"/srv/shared
  chown libvirt-qemu:libvirt-qemu "$root"/var/lib/libvirt/qemu "$root"/var/cache/libvirt/qemu
}

# Guests' disks lie on a real directory of the host, or with --pool-size on a small disk that can fill.
mount_own_storage() {
  if [[ -n $pool_size && $restarted == yes ]]; then
    mount -o loop "$directory/pool.disk" "$root/var/lib/libvirt/images"
  elif [[ -n $pool_size ]]; then
    truncate --size "$pool_size" "$directory/pool.disk"
    mkfs.ext4 -q -m 0 "$directory/pool.disk"
    mount -o loop "$directory/pool.disk" "$root/var/lib/libvirt/images"
    rmdir "$root/var/lib/libvirt/images/lost+found"
  else
    mount --bind "$directory/images" "$root/var/lib/libvirt/images"
  fi
  chmod 711 "$root/var/lib/libvirt/images"
  mount --bind "$directory/console" "$root/var/log/lab-guests"
  # root's home is not the machine's: no keys, histories and caches of whoever runs the lab.
  mount --bind "$directory/home" "$root/root"
  cp -p /etc/skel/.bashrc /etc/skel/.profile "$root/root/" 2>/dev/null || true
}

# Checkouts are seen as they are, read and write, so that builds, coverage and reports are kept.
mount_shared_directories() {
  local path
  for path in "${shared_directories[@]}"; do
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
  done
}

write_identity() {
  echo "$name" >"$root/etc/hostname"
  cat "$hosts_file" >"$root/etc/hosts"
  rm -f "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
  dbus-uuidgen >"$root/etc/machine-id"
  chmod 444 "$root/etc/machine-id"
}

write_ssh() {
  cp -rp "$directory/ssh" "$root/root/.ssh"
  chown -R root:root "$root/root/.ssh"
  cp -p "$keys"/ssh_host_* "$root/etc/ssh/"
  cat >"$root/etc/ssh/sshd_config" <<'END'
# As Debian ships it.
Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem	sftp	/usr/lib/openssh/sftp-server
END
}

write_libvirt() {
  local images=/var/lib/libvirt/images
  cat >>"$root/etc/libvirt/libvirtd.conf" <<END
host_uuid = "$(</proc/sys/kernel/random/uuid)"
END
  # No cgroups and no security module in here; everything else is as Debian ships it.
  cat >>"$root/etc/libvirt/qemu.conf" <<'END'
security_driver = "none"
cgroup_controllers = [ ]
END
  [[ -z $qemu_user ]] || printf 'user = "%s"\ngroup = "%s"\n' "$qemu_user" "$qemu_user" >>"$root/etc/libvirt/qemu.conf"
  cat >"$root/etc/libvirt/storage/default.xml" <<END
<pool type='dir'>
  <name>default</name>
  <uuid>$(</proc/sys/kernel/random/uuid)</uuid>
  <target><path>$images</path></target>
</pool>
END
  ln -s /etc/libvirt/storage/default.xml "$root/etc/libvirt/storage/autostart/default.xml"
  [[ ! -d $cache/capabilities ]] || cp -rp "$cache/capabilities" "$root/var/cache/libvirt/qemu/"
}

# The emulator of the lab's guests. One file for all hosts and labs: libvirt asks a file that changed what it can do.
mount_emulator() {
  touch "$root/usr/local/bin/qemu-lab"
  mount --bind "$cache/qemu-lab" "$root/usr/local/bin/qemu-lab"
}

# pivot_root and not chroot: the machine's own files and mounts are then out of reach in here.
enter_root() {
  cd "$root" || exit
  pivot_root . .
  umount --lazy .
  cd /
}
