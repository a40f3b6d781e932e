#include "bindings/core/operation.h"

#include <chrono>
#include <optional>

#include "bindings/core/error_object.h"
#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "bindings/core/runtime.h"
#include "host/base/log.h"

namespace drover::core {

int Operation::push_result(lua_State* L) {
  if (const Error* failure = std::get_if<Error>(&state_)) {
    Error error = *failure;
    if (error.op.empty()) error.op = origin_;
    throw error;
  }
  const Push* push = std::get_if<Push>(&state_);
  if (push == nullptr) throw Error("async", "NOT_READY", "the result of '" + description_ + "' is not there yet");
  return (*push)(L);
}

void Operation::when_ready(std::function<void()> callback) {
  if (ready()) {
    callback();
    return;
  }
  callbacks_.push_back(std::move(callback));
}

bool Operation::ended_cancelled() {
  const Error* error = std::get_if<Error>(&state_);
  return error != nullptr && error->code == "CANCELLED";
}

void Operation::finish(Push result) {
  if (ready()) return;
  state_ = std::move(result);
  become_ready();
}

void Operation::fail(Error error) {
  if (ready()) return;
  state_ = std::move(error);
  become_ready();
}

void Operation::drop_result() {
  if (std::holds_alternative<Push>(state_)) {
    state_ = Error("async", "TAKEN", "the result of '" + description_ + "' was taken already");
  }
}

void Operation::become_ready() {
  std::vector<std::function<void()>> callbacks;
  callbacks.swap(callbacks_);
  for (auto& callback : callbacks) callback();
}

namespace {

// Says in the log how long a piece of work took: where the time of a run goes.
class Stopwatch {
 public:
  explicit Stopwatch(const std::string& description) : watching_(log::enabled(log::Level::debug)) {
    if (!watching_) return;
    description_ = description;
    started_ = std::chrono::steady_clock::now();
  }
  ~Stopwatch() {
    if (!watching_) return;
    auto elapsed = std::chrono::steady_clock::now() - started_;
    auto elapsed_ms = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
    log::write(log::Level::debug, std::to_string(elapsed_ms) + " ms  " + description_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  bool watching_;
  std::string description_;
  std::chrono::steady_clock::time_point started_;
};

class WorkOperation : public Operation {
 public:
  WorkOperation(std::string description, OnCancel on_cancel)
      : Operation(std::move(description)), token_(std::make_shared<CancelToken>()), on_cancel_(on_cancel) {}

  void start(Runtime& runtime, std::function<Push(CancelToken&)> work) {
    auto self = std::static_pointer_cast<WorkOperation>(shared_from_this());
    loop_ = &runtime.loop();
    auto mailbox = loop_->mailbox();
    runtime.workers().submit([self, work = std::move(work), mailbox, token = token_]() mutable {
      std::function<void()> deliver;
      std::optional<Stopwatch> stopwatch(self->description());
      try {
        token->throw_if_cancelled(self->description());
        deliver = [self, push = work(*token)]() {
          self->stop_limit();
          self->finish(push);
        };
      } catch (const Error& error) {
        deliver = [self, error]() {
          self->stop_limit();
          self->fail(error);
        };
      } catch (const std::exception& error) {
        deliver = [self, text = std::string(error.what())]() {
          self->stop_limit();
          self->fail(Error("drover", "INTERNAL", text));
        };
      }
      stopwatch.reset();  // before the result is there: the program may end with it
      work = nullptr;
      self.reset();
      mailbox->post(std::move(deliver));
    });
  }

  // Its one reader is the await of the call that began it.
  int push_result(lua_State* L) override {
    int count = Operation::push_result(L);
    drop_result();
    return count;
  }

  void cancel() override {
    if (ready()) return;
    auto self = shared_from_this();
    token_->cancel();
    if (on_cancel_ == OnCancel::wait) return;
    if (!changes()) {
      fail(cancelled_error(description()));
    } else if (limit_) {  // asked a second time
      give_up();
    } else {
      limit_ = loop_->start_timer(longest_settling_ms, [this, self]() { give_up(); });
    }
  }

 private:
  void stop_limit() {
    if (limit_) loop_->stop_timer(*limit_);
    limit_.reset();
  }

  void give_up() {
    stop_limit();
    fail(cancelled_error(description() + " (no answer came; the host may still do it)"));
  }

  std::shared_ptr<CancelToken> token_;
  OnCancel on_cancel_;
  EventLoop* loop_ = nullptr;
  std::optional<EventLoop::TimerId> limit_;  // runs while a cancelled change is waited for
};

class SleepOperation : public Operation {
 public:
  SleepOperation(EventLoop& loop, uint64_t delay_ms) : Operation("sleep"), loop_(loop), delay_ms_(delay_ms) {}

  void start() {
    auto self = std::static_pointer_cast<SleepOperation>(shared_from_this());
    timer_ = loop_.start_timer(delay_ms_, [self]() { self->finish([](lua_State*) { return 0; }); });
  }

  void cancel() override {
    if (ready()) return;
    auto self = shared_from_this();
    loop_.stop_timer(timer_);
    fail(cancelled_error("sleep"));
  }

 private:
  EventLoop& loop_;
  uint64_t delay_ms_;
  EventLoop::TimerId timer_ = 0;
};

std::shared_ptr<Operation>& check_operation(lua_State* L, const char* function) {
  return check_object<OperationHandle>(L, 1, function).operation;
}

int operation_ready(lua_State* L) {
  push(L, check_operation(L, "Operation.ready")->ready());
  return 1;
}

int operation_result(lua_State* L) { return check_operation(L, "Operation.result")->push_result(L); }

int operation_cancel(lua_State* L) {
  check_operation(L, "Operation.cancel")->cancel();
  return 0;
}

int operation_describe(lua_State* L) {
  push(L, check_operation(L, "Operation.describe")->description());
  return 1;
}

}  // namespace

void open_operations(lua_State* L) {
  static const Class operation_class{
      OperationHandle::lua_name,
      "Something that is under way.",
      {
          {"ready", operation_ready, "Whether the result is there.", {}, {{"ready", "boolean", ""}}},
          {"result", operation_result, "The results; raises the error that ended it.", {}, {{"...", "any", ""}}},
          {"cancel", operation_cancel, "Asks for an early end.", {}, {}},
          {"describe", operation_describe, "What is under way.", {}, {{"description", "string", ""}}},
      },
      destroy_object<OperationHandle>};
  register_class(L, operation_class);
}

void push_operation(lua_State* L, std::shared_ptr<Operation> operation) {
  push_object(L, OperationHandle{std::move(operation)});
}

int start_work(lua_State* L, std::string description, std::function<Push(CancelToken&)> work, OnCancel on_cancel) {
  auto operation = std::make_shared<WorkOperation>(std::move(description), on_cancel);
  push_operation(L, operation);
  operation->start(Runtime::of(L), std::move(work));
  return 1;
}

int start_sleep(lua_State* L, uint64_t delay_ms) {
  auto operation = std::make_shared<SleepOperation>(Runtime::of(L).loop(), delay_ms);
  push_operation(L, operation);
  operation->start();
  return 1;
}

}  // namespace drover::core
