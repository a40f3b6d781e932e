// Shows that a process without $HOME, such as a service of systemd, is at home where its user is.
#include "host/base/home.h"

#include <pwd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace drover;

namespace {

// $HOME as the test says, and as it was afterwards.
class Home {
 public:
  explicit Home(const char* value) : before_(std::getenv("HOME") != nullptr ? std::getenv("HOME") : "") {
    if (value == nullptr) unsetenv("HOME");
    if (value != nullptr) setenv("HOME", value, 1);
  }
  ~Home() { setenv("HOME", before_.c_str(), 1); }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

 private:
  std::string before_;
};

std::string home_of_user() { return getpwuid(geteuid())->pw_dir; }

}  // namespace

TEST_CASE("home is what $HOME says") {
  Home home("/srv/somewhere");
  CHECK(home_folder() == "/srv/somewhere");
  provide_home();
  CHECK(std::string(std::getenv("HOME")) == "/srv/somewhere");
}

TEST_CASE("without $HOME, or with an empty one, home is what the user database says") {
  for (const char* value : {static_cast<const char*>(nullptr), ""}) {
    Home home(value);
    CHECK(home_folder() == home_of_user());
    provide_home();
    CHECK(std::string(std::getenv("HOME")) == home_of_user());
  }
}
