#include "bindings/virt/event_stream.h"

#include "bindings/core/runtime.h"
#include "bindings/virt/domain.h"
#include "bindings/virt/event_kinds.h"
#include "bindings/virt/event_thread.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Options;
using core::Push;

constexpr int64_t usual_queue_length = 1000;
constexpr int64_t longest_queue = 1000000;
constexpr int64_t longest_wait_ms = 30LL * 24 * 3600 * 1000;

Error closed_error(const VirConnection& connection) {
  bool whole = connection.closed();
  return Error("virt", whole ? "CONNECTION_CLOSED" : "STREAM_CLOSED",
               whole ? "the connection of these events was closed" : "these events were closed")
      .on_host(connection.host());
}

// What Lua's object owns; a close of the connection takes the registration away.
class StreamState final : public AnyHandle {
 public:
  StreamState(ConnectionPtr connection, std::shared_ptr<EventQueue> queue,
              std::shared_ptr<EventRegistration> registration)
      : connection_(std::move(connection)), queue_(std::move(queue)), registration_(std::move(registration)) {
    connection_->attach(this);
  }
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState() override {
    connection_->detach(this);
    queue_->detach();
  }

  std::function<void()> take_release() override {
    queue_->end(closed_error(*connection_));
    return [registration = std::exchange(registration_, nullptr)] {
      if (registration) registration->remove_all();
    };
  }

  const ConnectionPtr& connection() const { return connection_; }
  const std::shared_ptr<EventQueue>& queue() const { return queue_; }

 private:
  ConnectionPtr connection_;
  std::shared_ptr<EventQueue> queue_;
  std::shared_ptr<EventRegistration> registration_;
};

struct EventStream {
  static constexpr const char* lua_name = "virt.EventStream";
  std::unique_ptr<StreamState> state;
};

StreamState& check_stream(lua_State* L, const char* function) {
  return *core::check_object<EventStream>(L, 1, function).state;
}

// When the other side goes away no event will tell: the stream ends with that.
void watch_loss(const ConnectionPtr& connection, const std::shared_ptr<EventQueue>& queue) {
  Error lost("virt", "CONNECTION_LOST", "the connection to " + connection->uri() + " was lost");
  lost.on_host(connection->host()).with_hint(hint_for("CONNECTION_LOST"));
  connection->when_lost([weak = std::weak_ptr<EventQueue>(queue), lost] {
    if (auto alive = weak.lock()) alive->end(lost);
  });
}

int events(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.events");
  Options options(L, 2, "Connection.events");
  auto kinds = options.text_list("kinds").value_or(std::vector<std::string>{"lifecycle"});
  auto domain_name = options.text("domain");
  auto most = static_cast<size_t>(options.integer("most_events", 1, longest_queue).value_or(usual_queue_length));
  options.finish();
  auto known = event_kind_names();
  for (const std::string& kind : kinds) {
    if (std::find(known.begin(), known.end(), kind) != known.end()) continue;
    std::string names;
    for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
    options.fail("kinds", "some of " + names, "'" + kind + "'");
  }
  auto pointer = connection->use("wait for events");
  ensure_event_thread();
  auto queue = std::make_shared<EventQueue>(core::Runtime::of(L).loop(), most);
  return run(L, connection, "registration of events", [=](CancelToken&) -> Push {
    DomainRef domain;
    if (domain_name) domain = look_up_domain(*connection, pointer.get(), *domain_name);
    auto registration = std::make_shared<EventRegistration>(pointer, connection->in_process());
    for (const std::string& kind : kinds) {
      if (!registration->add(kind, domain.get(), queue)) throw connection->error("wait for events of kind " + kind);
    }
    watch_loss(connection, queue);
    return [connection, queue, registration](lua_State* state) {
      core::push_object(state, EventStream{std::make_unique<StreamState>(connection, queue, registration)});
      return 1;
    };
  });
}

int next(lua_State* L) {
  StreamState& stream = check_stream(L, "EventStream.next");
  auto timeout_ms = Args(L, "EventStream.next").optional_integer(2, "timeout_ms", 0, longest_wait_ms);
  if (auto event = stream.queue()->take()) return push_event(L, *event);
  if (timeout_ms == 0) {
    lua_pushnil(L);
    return 1;
  }
  std::optional<uint64_t> limit;
  if (timeout_ms) limit = static_cast<uint64_t>(*timeout_ms);
  core::push_operation(L, stream.queue()->wait(limit));
  return 1;
}

int dropped(lua_State* L) {
  core::push(L, check_stream(L, "EventStream.dropped").queue()->dropped());
  return 1;
}

int close(lua_State* L) {
  StreamState& stream = check_stream(L, "EventStream.close");
  auto release = stream.take_release();
  return run(L, stream.connection(), "close of events", [release](CancelToken&) -> Push {
    release();
    return [](lua_State*) { return 0; };
  });
}

}  // namespace

std::vector<core::Function> event_methods_of_connection() {
  return {
      {"events",
       events,
       "Starts to collect events of domains. Ask for them before the change that you wait for.",
       {{"options?", "table",
         "kinds: list of lifecycle (default), job, block_job, io_error, agent, device_added, device_removed, "
         "device_removal_failed, migration_iteration, reboot, watchdog, clock, tray, balloon, disk_change, metadata, "
         "pmsuspend, pmwakeup, control_error. domain: name or UUID, all without it. most_events: length of the queue, "
         "1000 without it; when it is full the oldest are dropped."}},
       {{"events", "virt.EventStream", ""}},
       "NO_DOMAIN, UNSUPPORTED, CONNECTION_LOST, CONNECTION_CLOSED, BAD_ARGUMENT",
       Blocking::yes},
  };
}

core::Class event_stream_class() {
  return {EventStream::lua_name,
          "Events of a connection, in order.",
          {
              {"next",
               next,
               "Waits for the next event.",
               {{"timeout_ms?", "integer", "Without it, until one comes or the stream ends."}},
               {{"event?", "table",
                 "kind, domain (its name), uuid, and by kind: lifecycle: event (started, stopped, ...), detail "
                 "(migrated, destroyed, ...). job: the fields of domain:job_completed. block_job: disk, type, status. "
                 "io_error: path, device, action, reason. agent: event (connected, disconnected), detail. device_*: "
                 "device (its alias). migration_iteration: iteration. nil when the time is over."}},
               "STREAM_CLOSED, CONNECTION_CLOSED, CONNECTION_LOST, CANCELLED",
               Blocking::yes},
              {"dropped",
               dropped,
               "How many were dropped because nobody took them.",
               {},
               {{"count", "integer", "How many."}}},
              {"close", close, "Ends it; tasks that wait get STREAM_CLOSED.", {}, {}, "", Blocking::yes},
          },
          core::destroy_object<EventStream>};
}

}  // namespace drover::virt
