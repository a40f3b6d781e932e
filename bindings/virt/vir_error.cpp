#include "bindings/virt/vir_error.h"

#include <cstdlib>
#include <map>

namespace drover::virt {

namespace {

struct TextRule {
  std::string_view text;
  std::string_view code;
};

// First match wins. Texts of the ssh binary come inside libvirt's message, because libvirt shows what ssh said last.
constexpr TextRule text_rules[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", "HOST_KEY_CHANGED"},
    {"differs from stored identity", "HOST_KEY_CHANGED"},  // the libssh transport
    {"Host key verification failed", "HOST_KEY_UNKNOWN"},
    {"accept host key", "HOST_KEY_UNKNOWN"},
    {"callback for host key", "HOST_KEY_UNKNOWN"},
    {"Permission denied (", "AUTH_FAILED"},  // ssh: "Permission denied (publickey,password)."
    {"Could not resolve hostname", "UNKNOWN_HOST"},
    {"Name or service not known", "UNKNOWN_HOST"},
    {"Temporary failure in name resolution", "UNKNOWN_HOST"},
    {"nc: command not found", "NO_HELPER"},
    {"nc: not found", "NO_HELPER"},
    {"virt-ssh-helper: command not found", "NO_HELPER"},
    {"No space left on device", "NO_SPACE"},
    {"Disk quota exceeded", "NO_SPACE"},
    {"cannot acquire state change lock", "DOMAIN_BUSY"},
    {"another migration job is already running", "DOMAIN_BUSY"},
    {"is already running", "OPERATION_INVALID"},  // the test driver calls these internal errors
    {"' not running", "OPERATION_INVALID"},
    {"keepalive timeout", "CONNECTION_LOST"},
    {"client socket is closed", "CONNECTION_LOST"},
    {"Cannot write data: Broken pipe", "CONNECTION_LOST"},
    {"Cannot recv data: Connection reset by peer", "CONNECTION_LOST"},
    {"Lost connection to destination host", "CONNECTION_LOST"},
    {"Connection refused", "NO_CONNECTION"},
    {"Connection timed out", "NO_CONNECTION"},
    {"No route to host", "NO_CONNECTION"},
    {"Network is unreachable", "NO_CONNECTION"},
    {"Failed to connect socket", "NO_CONNECTION"},
    {"End of file while reading data", "CONNECTION_LOST"},  // with one of the words before: it never came about
    {"already exists with uuid", "ALREADY_EXISTS"},
    {"is already defined with uuid", "ALREADY_EXISTS"},
    {"is already active as", "ALREADY_EXISTS"},
    {"read only access", "READ_ONLY"},
    {"unable to execute QEMU agent command", "AGENT_COMMAND_FAILED"},  // the agent answered, with an error
    {"Guest agent is not responding", "AGENT_UNRESPONSIVE"},
    {"QEMU guest agent is not", "AGENT_UNRESPONSIVE"},
};

std::string_view code_of_number(int number) {
  switch (number) {
    case VIR_ERR_NO_MEMORY:
      return "NO_MEMORY";
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
      return "UNSUPPORTED";
    case VIR_ERR_UNKNOWN_HOST:
      return "UNKNOWN_HOST";
    case VIR_ERR_NO_CONNECT:
      return "NO_CONNECTION";
    case VIR_ERR_INVALID_CONN:
      return "CONNECTION_CLOSED";
    case VIR_ERR_RPC:
      return "CONNECTION_LOST";
    case VIR_ERR_GNUTLS_ERROR:
      return "TLS_FAILED";
    case VIR_ERR_SSH:
    case VIR_ERR_LIBSSH:
      return "SSH_FAILED";
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
      return "AUTH_FAILED";
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
      return "ACCESS_DENIED";
    case VIR_ERR_INVALID_ARG:
      return "INVALID_ARGUMENT";
    case VIR_ERR_OPERATION_FAILED:
      return "OPERATION_FAILED";
    case VIR_ERR_OPERATION_INVALID:
      return "OPERATION_INVALID";
    case VIR_ERR_OPERATION_TIMEOUT:
      return "OPERATION_TIMEOUT";
    case VIR_ERR_OPERATION_ABORTED:
      return "OPERATION_ABORTED";
    case VIR_ERR_NO_NAME:  // "missing name information", of networks too
    case VIR_ERR_NO_OS:
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
      return "BAD_XML";
    case VIR_ERR_DOM_EXIST:
    case VIR_ERR_NETWORK_EXIST:
    case VIR_ERR_STORAGE_POOL_BUILT:
    case VIR_ERR_STORAGE_VOL_EXIST:
      return "ALREADY_EXISTS";
    case VIR_ERR_NO_DOMAIN:
      return "NO_DOMAIN";
    case VIR_ERR_NO_NETWORK:
      return "NO_NETWORK";
    case VIR_ERR_NO_STORAGE_POOL:
      return "NO_POOL";
    case VIR_ERR_NO_STORAGE_VOL:
      return "NO_VOLUME";
    case VIR_ERR_NO_NODE_DEVICE:
      return "NO_NODE_DEVICE";
    case VIR_ERR_NO_INTERFACE:
      return "NO_INTERFACE";
    case VIR_ERR_NO_NWFILTER:
      return "NO_NWFILTER";
    case VIR_ERR_NO_SECRET:
      return "NO_SECRET";
    case VIR_ERR_NO_DOMAIN_SNAPSHOT:
      return "NO_SNAPSHOT";
    case VIR_ERR_NO_DOMAIN_CHECKPOINT:
      return "NO_CHECKPOINT";
    case VIR_ERR_NO_DOMAIN_BACKUP:
      return "NO_BACKUP";
    case VIR_ERR_NO_DOMAIN_METADATA:
      return "NO_METADATA";
    case VIR_ERR_NO_HOSTNAME:
      return "NO_HOSTNAME";
    case VIR_ERR_DEVICE_MISSING:
      return "NO_DEVICE";
    case VIR_ERR_MULTIPLE_DOMAINS:
    case VIR_ERR_MULTIPLE_INTERFACES:
      return "AMBIGUOUS_NAME";
    case VIR_ERR_HOOK_SCRIPT_FAILED:
      return "HOOK_FAILED";
    case VIR_ERR_MIGRATE_UNSAFE:
      return "MIGRATE_UNSAFE";
    case VIR_ERR_MIGRATE_PERSIST_FAILED:
      return "MIGRATE_PERSIST_FAILED";
    case VIR_ERR_MIGRATE_FINISH_OK:
      return "MIGRATE_FINISHED";
    case VIR_ERR_CPU_INCOMPATIBLE:
      return "CPU_INCOMPATIBLE";
    case VIR_ERR_AGENT_UNRESPONSIVE:
    case VIR_ERR_AGENT_UNSYNCED:
      return "AGENT_UNRESPONSIVE";
    case VIR_ERR_RESOURCE_BUSY:
      return "RESOURCE_BUSY";
    case VIR_ERR_BLOCK_COPY_ACTIVE:
      return "BLOCK_JOB_ACTIVE";
    case VIR_ERR_SYSTEM_ERROR:
      return "SYSTEM_ERROR";
    case VIR_ERR_INTERNAL_ERROR:
      return "INTERNAL_ERROR";
    default:
      return "LIBVIRT_ERROR";
  }
}

}  // namespace

std::string_view stable_code(int number, std::string_view text) {
  // What libvirt itself is exact about is never guessed from words.
  std::string_view code = code_of_number(number);
  bool exact = code.substr(0, 3) == "NO_" && code != "NO_CONNECTION" && code != "NO_MEMORY";
  if (exact) return code;
  for (const TextRule& rule : text_rules) {
    if (text.find(rule.text) != std::string_view::npos) return rule.code;
  }
  return code;
}

std::string hint_for(std::string_view code) {
  static const std::map<std::string_view, std::string_view> hints{
      {"HOST_KEY_CHANGED",
       "the host shows another key than the known one: find out why before anything else; "
       "if the host was reinstalled, remove the old key and use 'drover trust HOST'"},
      {"HOST_KEY_UNKNOWN", "its key is not known here: compare it with 'drover trust HOST' first"},
      {"AUTH_FAILED", "check the user, the key and the access rights of libvirt on that host"},
      {"UNKNOWN_HOST", "check the name, or give an address"},
      {"NO_CONNECTION",
       "does libvirtd (or virtqemud) run there, and is it reached? drover doctor HOST says what is missing"},
      {"CONNECTION_LOST", "what was under way may have gone on: ask the host before you try again"},
      {"NO_HELPER", "install libvirt-daemon or netcat on that host (virt-ssh-helper or nc is needed over ssh)"},
      {"NO_SPACE", "free some space on that host, or choose another pool"},
      {"DOMAIN_BUSY", "another job holds the domain: look at domain:job(), wait for it or abort it"},
      {"READ_ONLY", "the connection was opened with readonly = true"},
      {"AGENT_UNRESPONSIVE", "qemu-guest-agent must run in the guest, and the domain needs its channel"},
      {"MIGRATE_UNSAFE",
       "libvirt fears for the disks: use cache=none, shared storage that it knows, or copy the disks; "
       "unsafe = true gives up that protection"},
      {"CPU_INCOMPATIBLE", "choose a CPU model that both hosts have: connection:baseline_hypervisor_cpu"},
      {"TLS_FAILED", "check the certificates of both hosts (virt-pki-validate)"},
      {"MIGRATE_PERSIST_FAILED", "the domain runs at the destination but is not defined there: define it"},
  };
  auto found = hints.find(code);
  return found == hints.end() ? "" : std::string(found->second);
}

std::string without_secrets(int number, std::string text) {
  // The line of the document that the parser stopped at, and a line that points into it [libvirt src/util/virxml.c,
  // catchXMLError]. It may be the one with the password; the first line says which one it is.
  if (number == VIR_ERR_XML_DETAIL) text = text.substr(0, text.find('\n'));
  constexpr std::string_view name = "passwd=";
  for (size_t at = 0; (at = text.find(name, at)) != text.npos;) {
    at += name.size();
    bool quoted = at < text.size() && (text[at] == '\'' || text[at] == '"');
    size_t end = quoted ? text.find(text[at], at + 1) : text.find_first_of(" >\n", at);
    text.replace(at, std::min(end, text.size()) - at + (quoted && end != text.npos ? 1 : 0), "***");
  }
  return text;
}

Error last_error(const std::string& attempt, const std::string& host, const std::string& object) {
  const virError* native = virGetLastError();
  int number = native != nullptr ? native->code : VIR_ERR_INTERNAL_ERROR;
  std::string text = native != nullptr && native->message != nullptr ? native->message : "unknown error";
  text = without_secrets(number, std::move(text));
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  std::string_view code = stable_code(number, text);
  Error error("virt", std::string(code), "cannot " + attempt + ": " + text);
  error.on_host(host).with_hint(hint_for(code));
  if (!object.empty()) error.on_object(object);
  int from = native != nullptr ? native->domain : 0;
  error.with_native("libvirt error " + std::to_string(number) + ", domain " + std::to_string(from) + ": " + text);
  virResetLastError();
  return error;
}

std::string_view last_code() {
  const virError* native = virGetLastError();
  if (native == nullptr) return "INTERNAL_ERROR";
  return stable_code(native->code, native->message != nullptr ? native->message : "");
}

void silence_error_output() {
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
}

void silence_warnings() {
  for (const char* name : {"LIBVIRT_DEBUG", "LIBVIRT_LOG_FILTERS", "LIBVIRT_LOG_OUTPUTS"}) {
    if (std::getenv(name) != nullptr) return;
  }
  setenv("LIBVIRT_DEBUG", "error", 1);
}

}  // namespace drover::virt
