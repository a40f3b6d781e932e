#include "bindings/virt/vir_connection.h"

#include <thread>
#include <vector>

#include "bindings/virt/event_thread.h"

namespace drover::virt {

namespace {

using SharedLoss = std::shared_ptr<LossWatch>;

void on_lost(virConnectPtr, int reason, void* opaque) { (*static_cast<SharedLoss*>(opaque))->lose(reason); }

void free_loss(void* opaque) { delete static_cast<SharedLoss*>(opaque); }

std::string scheme_of(const std::string& uri) { return uri.substr(0, uri.find(':')); }

bool has_parameter(const std::string& uri, const std::string& assignment) {
  size_t query = uri.find('?');
  if (query == std::string::npos) return false;
  std::string text = "&" + uri.substr(query + 1) + "&";
  return text.find("&" + assignment) != std::string::npos;
}

void refuse_insecure(const std::string& uri) {
  // libvirt: docs/uri.rst, "no_verify" and "known_hosts_verify".
  for (const char* assignment : {"no_verify=1", "known_hosts_verify=ignore&", "known_hosts_verify=auto&"}) {
    if (!has_parameter(uri, assignment)) continue;
    std::string name(assignment);
    if (name.back() == '&') name.pop_back();
    throw Error("virt", "INSECURE_URI", "the URI switches off the check of who answers: " + name)
        .on_host(host_of_uri(uri))
        .with_hint("make the key or certificate known instead: drover trust HOST");
  }
}

}  // namespace

bool is_in_process_uri(const std::string& uri) { return uri.rfind("test:///", 0) == 0; }

std::string host_of_uri(const std::string& uri) {
  size_t start = uri.find("://");
  if (start == std::string::npos) return "localhost";
  std::string authority = uri.substr(start + 3, uri.find_first_of("/?", start + 3) - start - 3);
  if (size_t at = authority.rfind('@'); at != std::string::npos) authority.erase(0, at + 1);
  if (!authority.empty() && authority[0] == '[') return authority.substr(1, authority.find(']') - 1);
  authority = authority.substr(0, authority.find(':'));
  return authority.empty() ? "localhost" : authority;
}

std::string checked_uri(const std::string& uri) {
  refuse_insecure(uri);
  std::string scheme = scheme_of(uri);
  bool over_ssh = scheme.size() > 4 && scheme.substr(scheme.size() - 4) == "+ssh";
  if (!over_ssh || has_parameter(uri, "no_tty=")) return uri;
  // BatchMode for the ssh binary: a question in the middle of fifty tasks has nobody to answer it.
  return uri + (uri.find('?') == std::string::npos ? "?" : "&") + "no_tty=1";
}

VirConnection::VirConnection(VirRef<virConnectPtr> connection, const OpenRequest& request)
    : connection_(std::move(connection)),
      uri_(request.uri),
      host_(request.host.empty() ? host_of_uri(request.uri) : request.host),
      in_process_(is_in_process_uri(request.uri)) {}

ConnectionPtr VirConnection::open(const OpenRequest& request) {
  static std::once_flag silenced;
  std::call_once(silenced, silence_error_output);
  std::string uri = checked_uri(request.uri);
  bool in_process = is_in_process_uri(uri);
  if (!in_process) ensure_event_thread();
  unsigned flags = request.readonly ? VIR_CONNECT_RO : 0;
  // No auth callbacks: libvirt then fails instead of asking on standard input.
  VirRef<virConnectPtr> connection(virConnectOpenAuth(uri.c_str(), nullptr, flags));
  if (!connection)
    throw last_error("connect to " + request.uri, request.host.empty() ? host_of_uri(uri) : request.host, request.uri);
  ConnectionPtr made(new VirConnection(std::move(connection), request));
  if (in_process) return made;

  // Both fail on drivers that have no transport of their own, where neither is needed.
  virConnectSetKeepAlive(made->get(), request.keepalive_interval_s, static_cast<unsigned>(request.keepalive_count));
  auto* loss = new SharedLoss(made->loss_);
  if (virConnectRegisterCloseCallback(made->get(), on_lost, loss, free_loss) == 0) {
    made->watches_close_ = true;
  } else {
    delete loss;
  }
  virResetLastError();
  return made;
}

VirConnection::~VirConnection() {
  if (closed_) return;
  auto finish = begin_close();
  if (in_process_) {
    finish();
  } else {
    // The last Lua object of it was collected without close(): ending may wait for the remote, this thread must not.
    std::thread(std::move(finish)).detach();
  }
}

VirRef<virConnectPtr> VirConnection::use(const std::string& attempt) const {
  if (closed_) {
    throw Error("virt", "CONNECTION_CLOSED", "cannot " + attempt + ": the connection was closed").on_host(host_);
  }
  return connection_;
}

std::function<void()> VirConnection::begin_close() {
  closed_ = true;
  std::vector<std::function<void()>> releases;
  for (AnyHandle* handle : handles_) releases.push_back(handle->take_release());
  handles_.clear();
  auto connection = std::make_shared<VirRef<virConnectPtr>>(std::move(connection_));
  return [releases = std::move(releases), connection, watches = watches_close_] {
    if (!*connection) return;
    // The callback holds a reference of its own: without this the transport would stay.
    if (watches) virConnectUnregisterCloseCallback(connection->get(), on_lost);
    for (const auto& release : releases) release();
    connection->reset();
  };
}

}  // namespace drover::virt
