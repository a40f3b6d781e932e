// Shows opening, closing and naming of connections.
#include "bindings/virt/vir_connection.h"

#include <catch2/catch.hpp>

using namespace drover;
using namespace drover::virt;

namespace {

ConnectionPtr open_test() {
  OpenRequest request;
  request.uri = "test:///default";
  return VirConnection::open(request);
}

Handle<virDomainPtr> test_domain(const ConnectionPtr& connection) {
  return {connection, VirRef<virDomainPtr>(virDomainLookupByName(connection->get(), "test"))};
}

}  // namespace

TEST_CASE("only the driver in this process is called directly", "[virt]") {
  CHECK(is_in_process_uri("test:///default"));
  CHECK(is_in_process_uri("test:///tmp/node.xml"));
  CHECK_FALSE(is_in_process_uri("test+unix:///default"));
  CHECK_FALSE(is_in_process_uri("test://host/default"));
  CHECK_FALSE(is_in_process_uri("qemu:///system"));
  CHECK(is_embedded_uri("secret:///embed?root=/tmp/x"));
  CHECK(is_embedded_uri("qemu:///embed"));
  CHECK_FALSE(is_embedded_uri("qemu:///embedded"));
  CHECK_FALSE(is_embedded_uri("qemu+ssh://host/system?socket=:///embed?"));
  CHECK_FALSE(is_embedded_uri("qemu:///system"));
}

TEST_CASE("the host of a URI is what errors name", "[virt]") {
  CHECK(host_of_uri("qemu:///system") == "localhost");
  CHECK(host_of_uri("qemu+ssh://root@kvm2/system") == "kvm2");
  CHECK(host_of_uri("qemu+ssh://root@kvm2:2222/system?keyfile=/k") == "kvm2");
  CHECK(host_of_uri("qemu+tls://[fd00::1]:16514/system") == "fd00::1");
  CHECK(host_of_uri("qemu+tcp://kvm3?x=1") == "kvm3");
}

TEST_CASE("over ssh nobody is asked on the terminal", "[virt]") {
  CHECK(checked_uri("qemu+ssh://a/system") == "qemu+ssh://a/system?no_tty=1");
  CHECK(checked_uri("qemu+ssh://a/system?keyfile=/k") == "qemu+ssh://a/system?keyfile=/k&no_tty=1");
  CHECK(checked_uri("qemu+ssh://a/system?no_tty=0") == "qemu+ssh://a/system?no_tty=0");
  CHECK(checked_uri("qemu+libssh://a/system") == "qemu+libssh://a/system");
  CHECK(checked_uri("qemu:///system") == "qemu:///system");
}

TEST_CASE("a URI that accepts any host key or certificate is refused", "[virt]") {
  for (const char* uri : {"qemu+ssh://a/system?no_verify=1", "qemu+tls://a/system?x=y&no_verify=1",
                          "qemu+libssh://a/system?known_hosts_verify=ignore",
                          "qemu+libssh://a/system?known_hosts_verify=auto&sshauth=agent"}) {
    INFO(uri);
    try {
      checked_uri(uri);
      FAIL("it was accepted");
    } catch (const Error& error) {
      CHECK(error.code == "INSECURE_URI");
      CHECK(error.host == "a");
    }
  }
  CHECK_NOTHROW(checked_uri("qemu+tls://a/system?no_verify=0"));
  CHECK_NOTHROW(checked_uri("qemu+libssh://a/system?known_hosts_verify=normal"));
}

TEST_CASE("after close every handle of the connection refuses, and a running call keeps its own reference", "[virt]") {
  auto connection = open_test();
  auto domain = test_domain(connection);
  auto running = domain.use("read");
  auto finish = connection->begin_close();
  finish();
  CHECK_FALSE(connection->alive());
  CHECK(std::string(virDomainGetName(running.get())) == "test");
  virDomainInfo info{};
  CHECK(virDomainGetInfo(running.get(), &info) == 0);
  for (auto refused : {+[](const ConnectionPtr&c, const Handle<virDomainPtr>&) { c->use("list domains"); },
                       +[](const ConnectionPtr&, const Handle<virDomainPtr>&d) { d.use("start it"); },
                       +[](const ConnectionPtr&, const Handle<virDomainPtr>&d) { d.get("start it"); }}) {
    try {
      refused(connection, domain);
      FAIL("it went on");
    } catch (const Error& error) {
      CHECK(error.code == "CONNECTION_CLOSED");
    }
  }
}

TEST_CASE("a handle keeps its connection alive", "[virt]") {
  auto connection = open_test();
  auto domain = std::make_unique<Handle<virDomainPtr>>(test_domain(connection));
  std::weak_ptr<VirConnection> watched = connection;
  connection.reset();
  CHECK_FALSE(watched.expired());
  CHECK(domain->get("read") != nullptr);
  domain.reset();
  CHECK(watched.expired());
}

TEST_CASE("a lost connection is not alive and tells those who watch it", "[virt]") {
  LossWatch loss;
  int told = 0;
  loss.when_lost([&] { ++told; });
  loss.lose(VIR_CONNECT_CLOSE_REASON_KEEPALIVE);
  CHECK(told == 1);
  CHECK(loss.reason() == VIR_CONNECT_CLOSE_REASON_KEEPALIVE);
  loss.when_lost([&] { ++told; });
  CHECK(told == 2);
}
