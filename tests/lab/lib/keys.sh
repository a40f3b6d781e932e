# Key pairs of the lab, made new with every `lab up`: host keys, one administrator's key a host, and
# the controller's. Nothing outside the lab directory is touched.

make_keys() {
  local name
  mkdir -p "$keys_directory"
  chmod 700 "$keys_directory"
  for name in "$@"; do
    mkdir -p "$keys_directory/$name"
    make_key "$keys_directory/$name/ssh_host_ed25519_key" ed25519 "root@$name"
    make_key "$keys_directory/$name/ssh_host_ecdsa_key" ecdsa "root@$name"
    make_key "$keys_directory/$name/id_ed25519" ed25519 "admin@$name.lab.test"
  done
  cp -p "$keys_directory/ctl/id_ed25519" "$keys_directory/controller"
  cp -p "$keys_directory/ctl/id_ed25519.pub" "$keys_directory/controller.pub"
  known_hosts_of "$@" >"$lab_directory/known_hosts"
  ssh_config_of "$keys_directory/controller" "$lab_directory/known_hosts" "$@" >"$lab_directory/ssh_config"
}

make_key() { ssh-keygen -q -t "$2" -N '' -C "$3" -f "$1"; }

known_hosts_of() {
  local name type blob comment file
  for name in "$@"; do
    for file in "$keys_directory/$name"/ssh_host_*_key.pub; do
      read -r type blob comment <"$file"
      printf '%s,%s.lab.test,%s %s %s\n' "$name" "$name" "$(host_address "$name")" "$type" "$blob"
    done
  done
}

ssh_config_of() {
  local key=$1 known_hosts=$2 name
  shift 2
  for name in "$@"; do
    printf 'Host %s %s.lab.test %s\n' "$name" "$name" "$(host_address "$name")"
    printf '  HostName %s\n  User root\n' "$(host_address "$name")"
    printf '  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n\n' "$key" "$known_hosts"
  done
}

# write_root_ssh HOST DIRECTORY TRUST: what /root/.ssh of the host holds. With TRUST=yes the hosts know
# each other, as at a site whose administrators go from one to the other; ctl reaches all in any case.
write_root_ssh() {
  local name=$1 directory=$2 trust=$3 other
  mkdir -p "$directory"
  chmod 700 "$directory"
  {
    echo "# administrators of $name"
    cat "$keys_directory/ctl/id_ed25519.pub"
    if [[ $trust == yes ]]; then
      for other in $(lab_hosts); do
        [[ $other == "$name" ]] || cat "$keys_directory/$other/id_ed25519.pub"
      done
    fi
  } >"$directory/authorized_keys"
  chmod 600 "$directory/authorized_keys"
  [[ $trust == yes || $name == ctl ]] || return 0
  cp -p "$keys_directory/$name/id_ed25519" "$keys_directory/$name/id_ed25519.pub" "$directory"
  cp "$lab_directory/known_hosts" "$directory/known_hosts"
  chmod 600 "$directory/known_hosts"
  # shellcheck disable=SC2046  # host names are single words
  [[ $name != ctl ]] || ssh_config_of /root/.ssh/id_ed25519 /root/.ssh/known_hosts $(lab_hosts) >"$directory/config"
}
