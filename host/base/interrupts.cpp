#include "host/base/interrupts.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>

namespace drover {

namespace {

pthread_t main_thread;

void on_signal(int signal) {
  int saved = errno;
  if (pthread_equal(pthread_self(), main_thread) != 0) {
    interrupts().raise_from_handler(signal);
  } else {  // the kernel takes any thread that does not block it; what follows touches the main one's Lua
    pthread_kill(main_thread, signal);
  }
  errno = saved;
}

bool take_one(std::atomic<int>& counter) {
  int count = counter.load();
  while (count > 0) {
    if (counter.compare_exchange_weak(count, count - 1)) return true;
  }
  return false;
}

}  // namespace

Interrupts& interrupts() {
  static Interrupts all;
  return all;
}

void Interrupts::install() {
  main_thread = pthread_self();
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
  // A peer that goes away is an error of a write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
}

void Interrupts::raise_from_handler(int signal) noexcept {
  (signal == SIGINT ? pressed_ : told_to_end_).fetch_add(1);
  if (EventLoop* loop = loop_.load()) loop->wake();
  if (auto function = function_.load()) function();
}

int Interrupts::take() {
  if (take_one(pressed_)) return SIGINT;
  return take_one(told_to_end_) ? SIGTERM : 0;
}

}  // namespace drover
