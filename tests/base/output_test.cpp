// Shows that a reader that takes its time holds nobody up, and that all arrives in order.
#include "host/base/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <thread>

#include "host/base/unique_fd.h"

namespace drover {

namespace {

struct Pipe {
  Pipe() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  std::string read(size_t size) {
    std::string text(size, 0);
    size_t have = 0;
    while (have < size) {
      ssize_t count = ::read(reader.get(), text.data() + have, size - have);
      if (count <= 0) break;
      have += static_cast<size_t>(count);
    }
    text.resize(have);
    return text;
  }
  UniqueFd reader, writer;
};

}  // namespace

TEST_CASE("what a reader takes at once is there at once") {
  Pipe pipe;
  Output output(pipe.writer.get());
  CHECK(output.write("one "));
  CHECK(output.write("two"));
  CHECK(pipe.read(7) == "one two");
}

TEST_CASE("a reader that does not read holds nobody up, and gets all of it in order later") {
  Pipe pipe;
  Output output(pipe.writer.get());
  std::string all;
  for (int line = 0; line < 20000; ++line) all += "line " + std::to_string(line) + "\n";
  auto started = std::chrono::steady_clock::now();
  for (size_t at = 0; at < all.size(); at += 1000) CHECK(output.write(all.substr(at, 1000)));
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
  std::string seen;
  std::thread reading([&] { seen = pipe.read(all.size()); });
  output.drain();
  reading.join();
  CHECK(seen == all);
}

TEST_CASE("a reader that is gone is told, and nothing waits for it") {
  Pipe pipe;
  Output output(pipe.writer.get());
  CHECK(output.write(std::string(200000, 'x')));
  pipe.reader.reset();
  output.drain();
  CHECK_FALSE(output.write("more"));
}

}  // namespace drover
