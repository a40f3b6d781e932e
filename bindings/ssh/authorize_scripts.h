// The constant programs of authorize.cpp: data comes as arguments and standard input, never as program text.
// They need GNU coreutils, util-linux (flock, runuser) and getent, which every libvirt host has.
// Tested by tests/bindings/ssh/authorize_test.cpp.
#pragma once

namespace drover::ssh::scripts {

constexpr int no_user = 82;
constexpr int keys_disabled = 83;
constexpr int busy = 84;
constexpr int hard_linked = 85;
constexpr int bad_path = 86;
constexpr int changed = 75;
constexpr int late = 76;

// Positional: user, file, expiry (unix time); each may be empty. Writes name=value lines, "content", and the bytes.
// A path with a newline in it, which a user's link may lead to, would write lines of its own: it is refused. A file
// below a user's home is read as that user, as sshd does: a link of theirs must not show them a file of root's.
constexpr const char* read_keys = R"sh(set -eu
PATH=$PATH:/usr/sbin:/sbin
login=$(id -un)
user=${1:-$login} file=$2 expiry=$3
newline=$(printf '\n.') newline=${newline%.}
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
real=$(readlink -f -- "$file" && echo .) || real=$(readlink -m -- "$file" && echo .)
real=${real%"$newline".}
home=$(readlink -m -- "$home")
case $file$real$home in *"$newline"*) echo "a path holds a newline" >&2; exit 86 ;; esac
printf '%s\n' "login=$login" "user=$user" "uid=$uid" "gid=$gid" "home=$home" "file=$file" \
  "real=$real" "strict=${strict:-yes}" "version=$(ssh -V 2>&1 || :)"
[ -z "$expiry" ] || echo "local_expiry=$(date -d "@$expiry" +%Y%m%d%H%M)"
node=$real
while :; do
  if [ -e "$node" ]; then stat -c 'node=%u %a %F:%n' -- "$node"; fi
  [ "$node" != / ] || break
  node=${node%/*}
  [ -n "$node" ] || node=/
done
for left in old new was; do
  [ ! -e "${real%/*}/.drover-keys.$left" ] || echo leftovers=yes
done
if [ -e "$real" ]; then echo exists=yes; else echo exists=no; fi
echo content
[ -f "$real" ] || exit 0 # opening a pipe would wait for its other end
case $user:$file in "$login":*) exec cat -- "$real" ;; *:"$home"/*) exec runuser -u "$user" -- cat -- "$real" ;; esac
case $real in "$home"/*) exec runuser -u "$user" -- cat -- "$real" ;; esac
exec cat -- "$real"
)sh";

// Positional: file, owner (uid:gid), whether it existed, size before, size after, whether an empty one is removed,
// whether its empty directory is then removed, whether other hard links stop it: a rename would part them from the
// file; the mark of the key, by which clean_up knows the process. Standard input: the bytes before, then the bytes
// after.
constexpr const char* replace_keys = R"sh(set -eu
umask 077
file=$1 owner=$2 existed=$3 old_size=$4 new_size=$5 remove=$6 remove_directory=$7 refuse_links=$8
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
equal() { # a cmp that failed has said nothing about the files
  code=0
  cmp -s -- "$1" "$2" || code=$?
  [ "$code" -le 1 ] || [ ! -e "$1" ] || { echo "cmp ended with $code" >&2; exit 1; }
  [ "$code" = 0 ]
}
same() {
  [ "/proc/$$/fd/9" -ef "$directory" ] || return 1
  if [ "$existed" = yes ]; then [ -f "$file" ] && equal "$file" "$old"; else [ ! -e "$file" ]; fi
}
set -C
head -c "$old_size" > "$old"
cat > "$new"
set +C
[ "$(stat -c %s -- "$old") $(stat -c %s -- "$new")" = "$old_size $new_size" ] || { echo "the data was cut short" >&2; exit 1; }
same || report "$file" 75
if [ "$existed" = yes ]; then
  if [ "$refuse_links" = yes ] && [ "$(stat -c %h -- "$file")" != 1 ]; then
    echo "$file has other names (hard links)" >&2
    exit 85
  fi
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
if [ "$existed" = yes ]; then
  # Who had the old file open at the rename may still write to it. Some keep a file open for good: a second is enough.
  # (find -samefile would open it itself. On a host without find nobody is waited for.)
  node=$(stat -c %i -- "$was")
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -n "$(find -L /proc/[0-9]*/fd -maxdepth 1 -type f -inum "$node" -print -quit 2>/dev/null)" ] || break
    sleep 0.1
  done
  equal "$was" "$old" || report "$was" 76
fi
echo "made_directory=$made_directory"
rm -f -- "$old" "$new" "$was"
if [ "$remove_directory" = yes ] && [ ! -e "$file" ]; then rmdir -- "$directory" 2>/dev/null || :; fi
)sh";

// Takes away what an editor that was killed left. Positional: the directory, which may be gone or have something in it;
// whether it is removed when it is empty. Standard input: the mark, of which no process of clean_up is to have an
// argument. An editor for that mark may live on, and not have come to the lock yet: it is waited for. Then the lock:
// any editor that lives needs its files.
constexpr const char* clean_up = R"sh(set -eu
directory=$1 remove_directory=$2
IFS= read -r mark
lives() {
  for arguments in $(grep -lF -- "$mark" /proc/[0-9]*/cmdline 2>/dev/null); do
    if grep -qF 'refuse_links=$8' "$arguments" 2>/dev/null; then return 0; fi
  done
  return 1
}
tries=0
while lives; do
  [ "$tries" -lt 300 ] || { echo "the run's own editor of $directory is at work, and does not end" >&2; exit 84; }
  tries=$((tries + 1))
  sleep 0.1
done
[ -d "$directory" ] || exit 0
exec 9< "$directory"
flock -w 30 9 || { echo "another program holds the lock of $directory" >&2; exit 84; }
rm -f -- "$directory/.drover-keys.old" "$directory/.drover-keys.new" "$directory/.drover-keys.was"
if [ "$remove_directory" = yes ]; then rmdir -- "$directory" 2>/dev/null || :; fi
)sh";

}  // namespace drover::ssh::scripts
