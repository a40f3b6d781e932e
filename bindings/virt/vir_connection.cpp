#include "bindings/virt/vir_connection.h"

#include <algorithm>
#include <future>
#include <optional>
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

bool is_embedded_uri(const std::string& uri) {
  size_t start = uri.find("://");
  return start != std::string::npos && (uri.substr(start) == ":///embed" || uri.rfind(":///embed?", start) == start);
}

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

namespace {

// A transport, or the error that stood in its way.
struct Opened {
  VirRef<virConnectPtr> connection;
  std::optional<Error> error;
};

Opened open_transport(const OpenRequest& request) {
  std::string uri = checked_uri(request.uri);
  // No auth callbacks: libvirt then fails instead of asking on standard input.
  Opened opened{VirRef<virConnectPtr>(virConnectOpenAuth(uri.c_str(), nullptr, request.readonly ? VIR_CONNECT_RO : 0)),
                std::nullopt};
  if (!opened.connection) {
    opened.error =
        last_error("connect to " + request.uri, request.host.empty() ? host_of_uri(uri) : request.host, request.uri);
  }
  return opened;
}

}  // namespace

ConnectionPtr VirConnection::open(const OpenRequest& request) {
  static std::once_flag silenced;
  std::call_once(silenced, silence_error_output);
  checked_uri(request.uri);  // refuses before anything is begun
  // An embedded driver is there once in a process, and has no other side.
  bool has_pulse = !is_in_process_uri(request.uri) && !is_embedded_uri(request.uri) && request.keepalive_interval_s > 0;
  if (!is_in_process_uri(request.uri)) ensure_event_thread();
  // Both at once: over a long line each opening takes a while.
  std::future<Opened> second;
  if (has_pulse) second = std::async(std::launch::async, open_transport, request);
  Opened first = open_transport(request);
  Opened pulse = has_pulse ? second.get() : Opened{};
  if (first.error) throw *first.error;
  if (pulse.error) throw *pulse.error;
  ConnectionPtr made(new VirConnection(std::move(first.connection), request));
  if (made->in_process_) return made;

  made->watches_close_ = made->watch(made->connection_);
  // Fails on drivers that have no transport of their own, where no pulse is needed.
  auto count = static_cast<unsigned>(request.keepalive_count);
  if (has_pulse && virConnectSetKeepAlive(pulse.connection.get(), request.keepalive_interval_s, count) >= 0 &&
      made->watch(pulse.connection)) {
    made->pulse_ = std::move(pulse.connection);
  }
  virResetLastError();
  return made;
}

// Whether the loss of that transport is told from now on.
bool VirConnection::watch(const VirRef<virConnectPtr>& transport) const {
  auto* loss = new SharedLoss(loss_);
  if (virConnectRegisterCloseCallback(transport.get(), on_lost, loss, free_loss) == 0) return true;
  delete loss;
  return false;
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

Error VirConnection::lost_error(const std::string& attempt) const {
  std::string why = loss_->reason() == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "libvirt there does not answer any more"
                                                                          : "the connection broke";
  return Error("virt", "CONNECTION_LOST", "cannot " + attempt + ": " + why)
      .on_host(host_)
      .with_hint(hint_for("CONNECTION_LOST"));
}

void VirConnection::check_alive(const std::string& attempt) const {
  if (!closed_ && loss_->reason() >= 0) throw lost_error(attempt);
}

void VirConnection::add_call(const std::shared_ptr<core::Operation>& call,
                             const std::shared_ptr<EventLoop::Mailbox>& mailbox) {
  auto is_over = [](const std::weak_ptr<core::Operation>& one) {
    auto operation = one.lock();
    return !operation || operation->ready();
  };
  calls_.erase(std::remove_if(calls_.begin(), calls_.end(), is_over), calls_.end());
  calls_.push_back(call);
  if (std::exchange(ends_calls_, true)) return;
  loss_->when_lost([weak = weak_from_this(), mailbox] {
    mailbox->post([weak] {
      if (auto connection = weak.lock()) connection->end_calls();
    });
  });
}

void VirConnection::end_calls() {
  std::vector<std::weak_ptr<core::Operation>> calls;
  calls.swap(calls_);
  for (const auto& call : calls) {
    if (auto operation = call.lock()) operation->end_with(lost_error(operation->description()));
  }
}

std::function<void()> VirConnection::begin_close() {
  closed_ = true;
  std::vector<std::function<void()>> releases;
  for (AnyHandle* handle : handles_) releases.push_back(handle->take_release());
  handles_.clear();
  auto connection = std::make_shared<VirRef<virConnectPtr>>(std::move(connection_));
  auto pulse = std::make_shared<VirRef<virConnectPtr>>(std::move(pulse_));
  if (!in_process_ && *connection) connection_is_closing();
  return [releases = std::move(releases), connection, pulse, watches = watches_close_, in_process = in_process_] {
    if (!*connection) return;
    // The callbacks hold references of their own: without this the transports would stay.
    if (*pulse) virConnectUnregisterCloseCallback(pulse->get(), on_lost);
    if (watches) virConnectUnregisterCloseCallback(connection->get(), on_lost);
    for (const auto& release : releases) release();
    pulse->reset();
    // Nobody else has one: it has ended. Otherwise something that came from it ends it, whenever that is given back.
    bool has_ended = virConnectClose(connection->release()) == 0;
    if (has_ended && !in_process) connection_has_ended();
  };
}

}  // namespace drover::virt
