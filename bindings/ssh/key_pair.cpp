#include "bindings/ssh/key_pair.h"

#include "bindings/ssh/host_keys.h"
#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

constexpr int64_t file_timeout_ms = 60000;

// Exit codes of the scripts.
constexpr int not_tmpfs = 80;
constexpr int unsafe = 81;

// Positional: path, size. The key is on standard input, and is read only after the place was found good.
constexpr const char* write_script = R"sh(set -eu
umask 077
path=$1 size=$2 made=no
directory=${path%/*}
[ -n "$directory" ] || directory=/
above=$directory
[ -d "$directory" ] || above=${directory%/*}
[ -n "$above" ] || above=/
kind=$(stat -f -c %T -- "$above")
case $kind in tmpfs|ramfs) ;; *) echo "$above is on $kind" >&2; exit 80 ;; esac
if [ ! -d "$directory" ]; then mkdir -m 0700 -- "$directory"; made=yes; fi
trap 'rm -f -- "$path"; [ "$made" = no ] || rmdir -- "$directory" 2>/dev/null || :' EXIT
trap 'exit 143' TERM HUP INT
case $(stat -c '%u:%a' -- "$directory") in
  "$(id -u):700") ;;
  *) echo "$directory is open to others, or not ours" >&2; exit 81 ;;
esac
if [ -e "$path" ] || [ -L "$path" ]; then trap - EXIT; echo "$path is there already" >&2; exit 81; fi
set -C
cat > "$path"
set +C
[ "$(stat -c %s -- "$path")" = "$size" ] || { echo "the key was cut short" >&2; exit 1; }
trap - EXIT
echo "made=$made"
)sh";

// Positional: path, "yes" to remove the directory too.
constexpr const char* remove_script = R"sh(set -eu
path=$1 removed=no
if [ -f "$path" ]; then
  rm -f -- "$path"
  removed=yes
fi
[ "$2" != yes ] || rmdir -- "${path%/*}" 2>/dev/null || :
echo "removed=$removed"
)sh";

struct TextDeleter {
  void operator()(char* text) const {
    explicit_bzero(text, strlen(text));
    ssh_string_free_char(text);
  }
};

core::ExecResult run_script(core::Machine& machine, const char* script, std::vector<std::string> arguments,
                            std::string_view input, core::CancelToken& token) {
  core::ExecRequest request;
  request.argv = {"sh", "-c", script, "drover"};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  request.environment = {{"LC_ALL", "C"}};
  request.timeout_ms = file_timeout_ms;
  request.input = input;
  WipeOnExit wiper(request.input);
  return machine.exec(request, token);
}

}  // namespace

KeyPair generate_key_pair(KeyKind kind, const std::string& comment) {
  for (unsigned char letter : comment) {
    if (letter < ' ' || letter == 0x7f)
      throw Error("ssh", "BAD_ARGUMENT", "the comment of a key holds a control character");
  }
  bool rsa = kind == KeyKind::rsa4096;
  ssh_key raw = nullptr;
  if (ssh_pki_generate(rsa ? SSH_KEYTYPE_RSA : SSH_KEYTYPE_ED25519, rsa ? 4096 : 0, &raw) != SSH_OK) {
    throw Error("ssh", "FAILED", "libssh made no key pair");
  }
  KeyRef key(raw);
  char* text = nullptr;
  if (ssh_pki_export_privkey_base64(raw, nullptr, nullptr, nullptr, &text) != SSH_OK) {
    throw Error("ssh", "FAILED", "libssh did not give the private key");
  }
  std::unique_ptr<char, TextDeleter> owner(text);
  PublicKey shown = read_public_key(raw);
  KeyPair pair;
  pair.type = shown.type;
  pair.public_line = shown.line() + (comment.empty() ? "" : " " + comment);
  pair.fingerprint = shown.fingerprint;
  if (rsa) {
    std::string converted = rsa_to_openssh(text, comment);
    WipeOnExit wiper(converted);
    pair.private_text = std::make_shared<Secret>(converted);
  } else {
    pair.private_text = std::make_shared<Secret>(std::string_view(text));
  }
  return pair;
}

WrittenKey write_private_key(core::Machine& machine, const KeyPair& pair, const std::string& path,
                             core::CancelToken& token) {
  if (path.empty() || path.front() != '/' || path.back() == '/' || path.find('\n') != path.npos) {
    throw Error("ssh", "BAD_ARGUMENT", "the path of a private key is absolute: '" + path + "'");
  }
  std::string_view text = pair.private_text->view();
  auto result = run_script(machine, write_script, {path, std::to_string(text.size())}, text, token);
  if (result.exit_code != 0) {
    std::string said(trim(result.errors));
    const char* code = result.exit_code == not_tmpfs                         ? "NOT_TMPFS"
                       : result.exit_code == unsafe                          ? "UNSAFE_PERMISSIONS"
                       : said.find("Permission denied") != std::string::npos ? "NO_PERMISSION"
                       : said.find("No such file") != std::string::npos      ? "NO_FILE"
                                                                             : "FILE_FAILED";
    throw Error("ssh", code, "the private key is not written to " + path + ": " + split(said, '\n').back())
        .on_host(machine.name())
        .on_object(path)
        .with_native(said)
        .with_hint("a new directory under /run is a good place: it is memory, and gone after a power cut");
  }
  return WrittenKey{path, result.output.find("made=yes") != std::string::npos};
}

bool remove_private_key(core::Machine& machine, const WrittenKey& written, core::CancelToken& token) {
  auto result = run_script(machine, remove_script, {written.path, written.made_directory ? "yes" : "no"}, "", token);
  if (result.exit_code != 0) {
    throw Error("ssh", "FILE_FAILED",
                "the private key " + written.path + " is not removed: " + std::string(trim(result.errors)))
        .on_host(machine.name())
        .on_object(written.path)
        .with_hint("remove it by hand");
  }
  return result.output.find("removed=yes") != std::string::npos;
}

}  // namespace drover::ssh
