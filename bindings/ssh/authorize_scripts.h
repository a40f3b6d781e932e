// The constant programs of authorize.cpp: data comes as arguments and standard input, never as program text.
// They need GNU coreutils, util-linux (flock, runuser) and getent, which every libvirt host has.
// Tested by tests/bindings/ssh/authorize_test.cpp.
#pragma once

namespace drover::ssh::scripts {

constexpr int no_user = 82;
constexpr int keys_disabled = 83;
constexpr int busy = 84;
constexpr int changed = 75;
constexpr int late = 76;

// Positional: user, file, expiry (unix time); each may be empty. Writes name=value lines, "content", and the bytes.
constexpr const char* read_keys = R"sh(set -eu
PATH=$PATH:/usr/sbin:/sbin
login=$(id -un)
user=${1:-$login} file=$2 expiry=$3
entry=$(getent passwd -- "$user") || { echo "there is no user $user" >&2; exit 82; }
IFS=: read -r _ _ uid gid _ home _ <<EOF
$entry
EOF
settings=$(sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2>/dev/null) || settings=
strict=$(printf '%s\n' "$settings" | sed -n 's/^strictmodes //p')
if [ -z "$file" ]; then
  pattern=$(printf '%s\n' "$settings" | sed -n 's/^authorizedkeysfile //p')
  pattern=${pattern%% *}
  [ -n "$pattern" ] || pattern=.ssh/authorized_keys
  [ "$pattern" != none ] || { echo "sshd is configured to read no authorized_keys" >&2; exit 83; }
  while [ -n "$pattern" ]; do
    case $pattern in
      %h*) file=$file$home pattern=${pattern#??} ;;
      %u*) file=$file$user pattern=${pattern#??} ;;
      %U*) file=$file$uid pattern=${pattern#??} ;;
      %%*) file=$file% pattern=${pattern#??} ;;
      *) rest=${pattern#?} file=$file${pattern%"$rest"} pattern=$rest ;;
    esac
  done
  case $file in /*) ;; *) file=$home/$file ;; esac
fi
real=$(readlink -f -- "$file") || real=$(readlink -m -- "$file")
printf '%s\n' "login=$login" "user=$user" "uid=$uid" "gid=$gid" "home=$(readlink -m -- "$home")" "file=$file" \
  "real=$real" "strict=${strict:-yes}" "version=$(ssh -V 2>&1 || :)"
[ -z "$expiry" ] || echo "local_expiry=$(date -d "@$expiry" +%Y%m%d%H%M)"
node=$real
while :; do
  if [ -e "$node" ]; then stat -c 'node=%u %a %F:%n' -- "$node"; fi
  [ "$node" != / ] || break
  node=${node%/*}
  [ -n "$node" ] || node=/
done
if [ -e "$real" ]; then echo exists=yes; echo content; cat -- "$real"; else echo exists=no; echo content; fi
)sh";

// Positional: file, owner (uid:gid), whether it existed, size before, size after, whether an empty one is removed,
// whether its empty directory is then removed. Standard input: the bytes before, then the bytes after.
constexpr const char* replace_keys = R"sh(set -eu
umask 077
file=$1 owner=$2 existed=$3 old_size=$4 new_size=$5 remove=$6 remove_directory=$7
directory=${file%/*} made_directory=no
[ -n "$directory" ] || directory=/
if [ ! -d "$directory" ]; then
  if mkdir -m 0700 -- "$directory" 2>/dev/null; then
    made_directory=yes
    chown -- "$owner" "$directory"
  else
    [ -d "$directory" ] || mkdir -m 0700 -- "$directory"
  fi
fi
old=$directory/.drover-keys.old new=$directory/.drover-keys.new was=$directory/.drover-keys.was
exec 9< "$directory"
flock -w 30 9 || { echo "another program holds the lock of $directory" >&2; exit 84; }
trap 'rm -f -- "$old" "$new" "$was"' EXIT
trap 'exit 143' TERM HUP INT
rm -f -- "$old" "$new" "$was"
report() {
  echo "made_directory=$made_directory"
  if [ -e "$1" ]; then echo exists=yes; echo content; cat -- "$1"; else echo exists=no; echo content; fi
  exit "$2"
}
same() {
  [ "/proc/$$/fd/9" -ef "$directory" ] || return 1
  if [ "$existed" = yes ]; then [ -f "$file" ] && cmp -s -- "$file" "$old"; else [ ! -e "$file" ]; fi
}
set -C
head -c "$old_size" > "$old"
cat > "$new"
set +C
[ "$(stat -c %s -- "$old") $(stat -c %s -- "$new")" = "$old_size $new_size" ] || { echo "the data was cut short" >&2; exit 1; }
same || report "$file" 75
if [ "$existed" = yes ]; then
  ln -- "$file" "$was"
  if [ "$remove" = yes ] && [ "$new_size" = 0 ]; then
    same || report "$file" 75
    rm -f -- "$file"
  else
    cp --attributes-only --preserve=all -- "$file" "$new"
    touch -- "$new"
    sync -- "$new"
    same || report "$file" 75
    mv -fT -- "$new" "$file"
  fi
else
  chown -- "$owner" "$new"
  sync -- "$new"
  ln -T -- "$new" "$file" 2>/dev/null || report "$file" 75
  if command -v restorecon >/dev/null 2>&1; then restorecon -- "$directory" "$file" 2>/dev/null || :; fi
fi
sync -- "$directory"
if [ "$existed" = yes ] && ! cmp -s -- "$was" "$old"; then report "$was" 76; fi
echo "made_directory=$made_directory"
rm -f -- "$old" "$new" "$was"
if [ "$remove_directory" = yes ] && [ ! -e "$file" ]; then rmdir -- "$directory" 2>/dev/null || :; fi
)sh";

// Positional: the directory, which may be gone or have something in it.
constexpr const char* remove_directory = R"sh([ ! -d "$1" ] || rmdir -- "$1" 2>/dev/null || :)sh";

}  // namespace drover::ssh::scripts
