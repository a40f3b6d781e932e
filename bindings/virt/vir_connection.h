// A connection to a libvirt driver, shared by the Lua objects that came from it, and what those objects hold.
//
// Invariants: a Handle keeps its VirConnection alive; the VirConnection knows its Handles, so that close() gives all
// references back and the transport (an ssh process, a socket) really ends. Handles and the list of them belong to the
// main thread; a worker gets references of its own (use(), Handle::use()), which a close cannot take away from it.
//
// libvirt's keepalive watches a second transport, which no call uses: the pulse. On one with several calls under way it
// would leave the second of them waiting for ever, with a dead pointer of the first one's stack in its event loop; the
// next event on the socket is then a crash [libvirt src/rpc/virnetclient.c, virNetClientIOEventLoop, before 10.4.0:
// CVE-2024-4418]. When the pulse stops, the connection is lost, and the calls under way end with CONNECTION_LOST.
// Tested by tests/bindings/virt/vir_connection_test.cpp.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "bindings/core/operation.h"
#include "bindings/virt/vir_error.h"
#include "bindings/virt/vir_ref.h"
#include "host/base/event_loop.h"

namespace drover::virt {

class AnyHandle {
 public:
  virtual ~AnyHandle() = default;
  // Moves the reference into a function that gives it back where it is called or destroyed.
  virtual std::function<void()> take_release() = 0;
};

// Learns from libvirt's event thread that the other side went away.
class LossWatch {
 public:
  void lose(int reason) {
    std::vector<std::function<void()>> listeners;
    {
      std::lock_guard lock(mutex_);
      reason_ = reason;
      listeners.swap(listeners_);
    }
    for (const auto& listener : listeners) listener();
  }
  // Runs listener on the event thread when the connection is lost, at once when it is already.
  void when_lost(std::function<void()> listener) {
    {
      std::lock_guard lock(mutex_);
      if (reason_ < 0) {
        listeners_.push_back(std::move(listener));
        return;
      }
    }
    listener();
  }
  int reason() const { return reason_; }

 private:
  std::mutex mutex_;
  std::atomic<int> reason_{-1};  // virConnectCloseReason
  std::vector<std::function<void()>> listeners_;
};

struct OpenRequest {
  std::string uri;
  std::string host;  // how errors name it; that of the URI without it
  bool readonly = false;
  int keepalive_interval_s = 5;  // 0: no keepalive
  int keepalive_count = 5;
};

class VirConnection : public std::enable_shared_from_this<VirConnection> {
 public:
  // Blocks, unless is_in_process_uri(). Throws NO_CONNECTION, AUTH_FAILED, HOST_KEY_CHANGED, ...
  static std::shared_ptr<VirConnection> open(const OpenRequest& request);
  ~VirConnection();
  VirConnection(const VirConnection&) = delete;
  VirConnection& operator=(const VirConnection&) = delete;

  // A reference for one call. Throws CONNECTION_CLOSED after close(). attempt: "list domains".
  VirRef<virConnectPtr> use(const std::string& attempt) const;
  // The pointer itself, for a call on the main thread that does not wait.
  virConnectPtr get() const { return connection_.get(); }

  // Where it leads, for errors: "localhost" or the host of the URI.
  const std::string& host() const { return host_; }
  const std::string& uri() const { return uri_; }
  // The driver is part of this process (test:///...): its calls never wait for anybody.
  bool in_process() const { return in_process_; }
  bool closed() const { return closed_; }
  // False after close(), and after the transport said that the other side went away.
  bool alive() const { return !closed_ && loss_->reason() < 0; }
  // Why the other side went away (virConnectCloseReason), or -1.
  int lost_reason() const { return loss_->reason(); }
  void when_lost(std::function<void()> listener) const { loss_->when_lost(std::move(listener)); }
  // Throws CONNECTION_LOST once it is lost: a call would wait for an answer that does not come.
  void check_alive(const std::string& attempt) const;
  // A call that is under way: it ends with CONNECTION_LOST when the connection is lost. Main thread.
  void add_call(const std::shared_ptr<core::Operation>& call, const std::shared_ptr<EventLoop::Mailbox>& mailbox);

  // Marks it closed and gives a function that ends it; that may block, so it goes to a worker. Main thread.
  std::function<void()> begin_close();

  void attach(AnyHandle* handle) { handles_.insert(handle); }
  void detach(AnyHandle* handle) { handles_.erase(handle); }

  // The error of the last failed call on this connection.
  Error error(const std::string& attempt, const std::string& object = "") const {
    return last_error(attempt, host_, object);
  }

 private:
  VirConnection(VirRef<virConnectPtr> connection, const OpenRequest& request);
  bool watch(const VirRef<virConnectPtr>& transport) const;
  Error lost_error(const std::string& attempt) const;
  void end_calls();

  VirRef<virConnectPtr> connection_;
  VirRef<virConnectPtr> pulse_;
  std::string uri_;
  std::string host_;
  bool in_process_;
  bool watches_close_ = false;
  bool closed_ = false;
  std::shared_ptr<LossWatch> loss_ = std::make_shared<LossWatch>();
  std::unordered_set<AnyHandle*> handles_;
  std::vector<std::weak_ptr<core::Operation>> calls_;
  bool ends_calls_ = false;
};

using ConnectionPtr = std::shared_ptr<VirConnection>;

// "test:///default", not "test+ssh://..." and not "test://host/".
bool is_in_process_uri(const std::string& uri);
// A driver inside this process, as in qemu:///embed?root=... [libvirt docs, drvqemu].
bool is_embedded_uri(const std::string& uri);
// "localhost" when the URI names no host.
std::string host_of_uri(const std::string& uri);
// The URI as it is opened: over ssh nobody is asked on the terminal. Throws INSECURE_URI for one that switches the
// checks of host keys or certificates off.
std::string checked_uri(const std::string& uri);

// What a Lua object holds of libvirt: a reference that Connection.close can take back.
template <class Pointer>
class Handle final : public AnyHandle {
 public:
  Handle(ConnectionPtr connection, VirRef<Pointer> reference)
      : connection_(std::move(connection)), reference_(std::move(reference)) {
    connection_->attach(this);
    if (connection_->closed()) reference_.reset();  // closed while a call was under way, which gave this
  }
  Handle(Handle&& other) noexcept : connection_(other.connection_), reference_(std::move(other.reference_)) {
    connection_->attach(this);
  }
  Handle& operator=(Handle&&) = delete;
  ~Handle() override { connection_->detach(this); }

  const ConnectionPtr& connection() const { return connection_; }
  const std::string& host() const { return connection_->host(); }

  // A reference for one call. Throws CONNECTION_CLOSED. attempt: "start domain 'web'".
  VirRef<Pointer> use(const std::string& attempt) const {
    check(attempt.c_str());
    return reference_;
  }
  // The pointer itself, for calls on the main thread that do not wait: its name, its UUID.
  Pointer get(const char* attempt) const {
    check(attempt);
    return reference_.get();
  }

  std::function<void()> take_release() override {
    auto taken = std::make_shared<VirRef<Pointer>>(std::move(reference_));
    return [taken] { taken->reset(); };
  }

 private:
  void check(const char* attempt) const {
    if (reference_ && !connection_->closed()) return;
    throw Error("virt", "CONNECTION_CLOSED", std::string("cannot ") + attempt + ": its connection was closed")
        .on_host(connection_->host());
  }

  ConnectionPtr connection_;
  VirRef<Pointer> reference_;
};

}  // namespace drover::virt
