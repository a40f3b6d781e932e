# lab guest: small guests that count on their console, serve the count by HTTP, and can write and dirty.
# What the lab knows of a guest is in guests/NAME; where it runs is asked of the hosts.

lab_guest() {
  local action=${1:-}
  [[ $# -eq 0 ]] || shift
  [[ $action == image ]] || [[ -r $session_file ]] || die "the lab is not up: lab up"
  case $action in
    create) guest_create "$@" ;;
    wait) guest_wait "$@" ;;
    counter) guest_counter "$@" ;;
    records) guest_records "$@" ;;
    where) guest_where "$@" ;;
    list) find "$guests_directory" -type f -printf '%f\n' | sort ;;
    destroy) guest_destroy "$@" ;;
    image) build_guest_image ;;
    *) wrong_use "guest: what is '$action'?" ;;
  esac
}

build_guest_image() {
  with_cache "$lab_source/guest/build-image" "$cache_directory"
}

guest_create() {
  local name=${1:-} host=a disk=64M format=raw shared=no memory=192M ip='' mac='' words='' start=yes persistent=yes
  local cdrom='' pool=default nvram=no system=yes
  [[ $name =~ ^[a-zA-Z0-9][a-zA-Z0-9._-]*$ ]] || wrong_use "guest create: a plain NAME comes first, not '$name'"
  shift
  while [[ $# -gt 0 ]]; do
    case $1 in
      --host) host=${2:?}; shift 2 ;;
      --disk) disk=${2:?}; shift 2 ;;
      --no-disk) disk=; shift ;;
      --format) format=${2:?}; shift 2 ;;
      --shared) pool=shared; shift ;;
      --memory) memory=${2:?}; shift 2 ;;
      --ip) ip=${2:?}; shift 2 ;;
      --mac) mac=${2:?}; shift 2 ;;
      --writer) words+=' lab.writer=yes'; shift ;;
      --dirty) words+=" lab.dirty=${2:?}"; shift 2 ;;
      --pace) words+=" lab.pace=${2:?}"; shift 2 ;;
      --no-agent) words+=' lab.agent=no'; shift ;;
      --transient) persistent=no; shift ;;
      --no-start) start=no; shift ;;
      --cdrom) cdrom=${2:?}; shift 2 ;;
      --nvram) nvram=yes; shift ;;
      --bare) system=no words+=' lab.agent=no'; shift ;;
      *) wrong_use "guest create: unknown option '$1'" ;;
    esac
  done
  require_host "$host"
  [[ $format == raw || $format == qcow2 ]] || wrong_use "guest create: --format raw or qcow2, not '$format'"
  [[ $pool != shared ]] || shared_is_up || die "shared storage is not up: lab shared up"
  [[ ! -e $guests_directory/$name ]] || die "guest $name exists: lab guest destroy $name"
  [[ -n $ip ]] || ip=$(free_guest_address)
  [[ -n $mac ]] || mac=$(printf '52:54:00:77:01:%02x' "${ip##*.}")
  printf 'system=%s\nip=%s\nmac=%s\ndisk=%s\nagent=%s\n' "$system" "$ip" "$mac" \
    "${disk:+$(pool_directory "$pool")/$name.$format}" "$([[ $words == *agent=no* ]] && echo no || echo yes)" \
    >"$guests_directory/$name"
  give_image_to_hosts
  local disks='' xml
  if [[ -n $disk ]]; then
    make_guest_disk "$host" "$pool" "$name.$format" "$format" "$disk"
    disks=$(disk_xml "$format" "$(pool_directory "$pool")/$name.$format")
  fi
  [[ -z $cdrom ]] || disks+=$(cdrom_xml "$cdrom")
  xml=$(<"$lab_source/guest/domain.xml")
  xml=${xml//@name@/$name}
  xml=${xml//@uuid@/$(</proc/sys/kernel/random/uuid)}
  xml=${xml//@memory@/$(numfmt --from=iec "$memory")}
  xml=${xml//@image@//var/lib/libvirt/boot}
  xml=${xml//@kernel-words@/$(<"$lab_source/guest/kernel-words")}
  xml=${xml//@ip@/$ip}
  xml=${xml//@mac@/$mac}
  xml=${xml//@words@/$words}
  xml=${xml//@disks@/$disks}
  [[ $system == yes ]] || xml=$(sed -E '/<(kernel|initrd|cmdline)>/d' <<<"$xml")
  xml=${xml//@firmware@/$([[ $nvram == no ]] || firmware_xml "$host" "$name")}
  define_guest "$host" "$name" "$xml" "$persistent" "$start"
}

define_guest() {
  local host=$1 name=$2 xml=$3 persistent=$4 start=$5
  if [[ $persistent == no ]]; then
    on_host "$host" virsh --quiet create /dev/stdin <<<"$xml" >&2
    return
  fi
  on_host "$host" virsh --quiet define /dev/stdin <<<"$xml" >&2
  [[ $start == no ]] || on_host "$host" virsh --quiet start "$name" >&2
}

pool_directory() { case $1 in shared) echo /srv/shared ;; *) echo /var/lib/libvirt/images ;; esac; }

free_guest_address() {
  local number
  for number in {10..199}; do
    grep -qsx "ip=$guest_network.$number" "$guests_directory"/* || { echo "$guest_network.$number"; return; }
  done
  die "no free address for a guest"
}

# Every host gets its own copy: libvirt changes the owner of a kernel that a domain uses.
# Another checkout's lab may have another image made meanwhile, and this one thrown away: not before it is copied.
give_image_to_hosts() { with_cache copy_image_to_hosts; }
copy_image_to_hosts() {
  local image='' name
  for name in $(lab_hosts); do
    # The last of them: an earlier copy may have been cut off.
    ! on_host "$name" test -e /var/lib/libvirt/boot/vmlinuz || continue
    [[ -n $image ]] || image=$("$lab_source/guest/build-image" "$cache_directory")
    (cd "$image" && tar --create -- *) | on_host "$name" tar --extract --directory /var/lib/libvirt/boot
  done
}

# The volume is made by libvirt, so that the pool knows it; the file system is written inside the host.
make_guest_disk() {
  local host=$1 pool=$2 volume=$3 format=$4 size=$5 path
  path=$(pool_directory "$pool")/$volume
  on_host "$host" bash -euc '
    path=$1 format=$2 size=$3 pool=$4
    truncate --size "$size" "$path.raw"
    mkfs.ext4 -q -m 0 -L data "$path.raw"
    if [ "$format" = raw ]; then mv "$path.raw" "$path"
    else qemu-img convert -f raw -O "$format" "$path.raw" "$path"; rm "$path.raw"; fi
    virsh --quiet pool-refresh "$pool"
  ' make_guest_disk "$path" "$format" "$size" "$pool" >&2
}

# As a guest with UEFI has it: its firmware in one flash memory and its settings in another. SeaBIOS is in the first, for
# it starts in a tenth of the time. The settings are a file of the host that the guest starts on.
firmware_xml() { # HOST NAME
  local settings=/var/lib/libvirt/qemu/nvram/$2_VARS.fd
  on_host "$1" bash -euc 'head -c 64K /dev/urandom >"$1"' firmware_xml "$settings" >&2
  printf "<loader readonly='yes' type='pflash'>/usr/share/seabios/bios-256k.bin</loader><nvram>%s</nvram>" "$settings"
}

disk_xml() {
  printf "<disk type='file' device='disk'><driver name='qemu' type='%s' cache='none'/>" "$1"
  printf "<source file='%s'/><target dev='vda' bus='virtio'/><serial>lab-data</serial></disk>" "$2"
}
cdrom_xml() {
  printf "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
  printf "<source file='%s'/><target dev='hda' bus='ide'/><readonly/></disk>" "$1"
}

require_guest() { [[ -n ${1:-} && -e $guests_directory/$1 ]] || wrong_use "no guest named '${1:-}': lab guest list"; }

# The host on which the guest runs; the one where it is only paused when it runs nowhere.
guest_where() {
  local name host state paused=''
  require_guest "${1:-}"
  for host in $(lab_hosts); do
    host_is_ready "$host" || continue
    state=$(on_host "$host" timeout 10 virsh --quiet domstate "$1" 2>/dev/null | sed '/^$/d') || continue
    case $state in
      running) printf '%s\n' "$host"; return ;;
      paused | 'in shutdown' | pmsuspended) paused=$host ;;
    esac
  done
  [[ -n $paused ]] || return 1
  printf '%s\n' "$paused"
}

guest_console() { printf '%s/%s/console/%s.log' "$hosts_directory" "$1" "$2"; }

guest_wait() {
  local name=${1:-} seconds=${LAB_GUEST_SECONDS:-60} host
  require_guest "$name"
  host=$(guest_where "$name") || die "guest $name runs nowhere"
  ! grep -qx system=no "$guests_directory/$name" || return 0
  poll "$seconds" grep -qs 'LAB-GUEST up' "$(guest_console "$host" "$name")" ||
    die "guest $name did not boot within $seconds s; see $(guest_console "$host" "$name")"
  ! grep -qx agent=yes "$guests_directory/$name" || poll "$seconds" agent_answers "$host" "$name" ||
    die "the agent of guest $name does not answer"
}
agent_answers() { on_host "$1" virsh --quiet qemu-agent-command "$2" '{"execute":"guest-ping"}' --timeout 5 >/dev/null 2>&1; }

last_number() { tr -d '\r' <"$1" 2>/dev/null | sed -n "s/^$2 \([0-9][0-9]*\)\$/\1/p" | tail -n 1; }

# guest_counter NAME [HOST]: the console of the host named, or of the one that runs the guest.
guest_counter() {
  local host
  require_guest "${1:-}"
  host=${2:-$(guest_where "$1")} || die "guest $1 runs nowhere"
  last_number "$(guest_console "$host" "$1")" tick
}

# The highest record announced on any host's console.
guest_records() {
  local host
  require_guest "${1:-}"
  for host in $(lab_hosts); do last_number "$(guest_console "$host" "$1")" record; done | sort -n | tail -n 1
}

guest_destroy() {
  local name
  if [[ ${1:-} == --all ]]; then
    find "$guests_directory" -type f -printf '%f\n' | while read -r name; do guest_destroy "$name" </dev/null; done
    return
  fi
  require_guest "${1:-}"
  local host disk
  disk=$(sed -n 's/^disk=//p' "$guests_directory/$1")
  for host in $(lab_hosts); do
    host_is_ready "$host" || continue
    on_host "$host" bash -c '
      name=$1 disk=$2
      if virsh --quiet dominfo "$name" >/dev/null 2>&1; then
        virsh --quiet destroy "$name" >/dev/null 2>&1
        ! virsh --quiet dominfo "$name" >/dev/null 2>&1 ||
          virsh --quiet undefine "$name" --nvram --managed-save --snapshots-metadata --checkpoints-metadata
      fi
      rm -f "/var/log/lab-guests/$name.log"*
      [ -z "$disk" ] || rm -f "$disk"
      for pool in $(virsh --quiet pool-list --name); do virsh --quiet pool-refresh "$pool" >/dev/null; done
    ' guest_destroy "$1" "$disk" >&2
  done
  rm -f "$guests_directory/$1"
}
