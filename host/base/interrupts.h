// SIGINT, SIGTERM and SIGHUP as a flag that running Lua code (host/lua/running_thread.h) and the scheduler take.
// Tested by tests/transcripts (Ctrl-C in a loop, a coroutine, a pcall loop, a libvirt and an SSH call).
#pragma once

#include <atomic>

#include "host/base/event_loop.h"

namespace drover {

class Interrupts {
 public:
  // Installs the handlers. A SIGINT that was ignored when drover started stays ignored (nohup, background jobs).
  void install();
  // The loop to wake when a signal comes.
  void wake_with(EventLoop* loop) { loop_.store(loop); }

  // Called for each, in the signal handler, on the thread that called install: only what a handler may do.
  void call(void (*function)()) { function_.store(function); }

  // Takes one of the signals that nobody took yet: SIGINT, or SIGTERM, which SIGHUP is alike; 0 when there is none.
  int take();
  bool pending() const { return pressed_.load() > 0 || told_to_end_.load() > 0; }

  void raise_from_handler(int signal) noexcept;

 private:
  std::atomic<int> pressed_{0};
  std::atomic<int> told_to_end_{0};
  std::atomic<EventLoop*> loop_{nullptr};
  std::atomic<void (*)()> function_{nullptr};
};

Interrupts& interrupts();

}  // namespace drover
