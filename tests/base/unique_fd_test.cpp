// Shows that a descriptor is closed once, by its last owner, and by nobody when it was released.
#include "host/base/unique_fd.h"

#include <fcntl.h>

#include <catch2/catch.hpp>

using namespace drover;

namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

int new_fd() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

TEST_CASE("a descriptor is closed with its owner") {
  int number = new_fd();
  {
    UniqueFd owner(number);
    CHECK(owner.valid());
    CHECK(owner.get() == number);
    CHECK(is_open(number));
  }
  CHECK_FALSE(is_open(number));
  CHECK_FALSE(UniqueFd().valid());
}

TEST_CASE("moving hands it on; what the receiver had is closed") {
  UniqueFd first(new_fd());
  int number = first.get();
  UniqueFd second(std::move(first));
  CHECK(second.get() == number);
  UniqueFd third(new_fd());
  int other = third.get();
  third = std::move(second);
  CHECK(third.get() == number);
  CHECK(is_open(number));
  CHECK_FALSE(is_open(other));
}

TEST_CASE("a released one is the caller's, and reset closes once") {
  UniqueFd owner(new_fd());
  int number = owner.release();
  CHECK_FALSE(owner.valid());
  CHECK(is_open(number));
  UniqueFd again(number);
  again.reset();
  CHECK_FALSE(is_open(number));
  again.reset();
  CHECK_FALSE(again.valid());
}
