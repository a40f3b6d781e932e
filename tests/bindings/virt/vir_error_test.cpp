// Shows which code each of libvirt's errors becomes, and its hint.
#include "bindings/virt/vir_error.h"

#include <catch2/catch.hpp>

#include "bindings/virt/vir_connection.h"

using namespace drover;
using namespace drover::virt;

TEST_CASE("an exact error number gives its code whatever the text says", "[virt]") {
  CHECK(stable_code(VIR_ERR_NO_DOMAIN, "no domain; Connection refused") == "NO_DOMAIN");
  CHECK(stable_code(VIR_ERR_NO_STORAGE_POOL, "") == "NO_POOL");
  CHECK(stable_code(VIR_ERR_NO_STORAGE_VOL, "") == "NO_VOLUME");
  CHECK(stable_code(VIR_ERR_NO_NETWORK, "") == "NO_NETWORK");
  CHECK(stable_code(VIR_ERR_NO_SECRET, "") == "NO_SECRET");
  CHECK(stable_code(VIR_ERR_MIGRATE_UNSAFE, "Unsafe migration") == "MIGRATE_UNSAFE");
  CHECK(stable_code(VIR_ERR_CPU_INCOMPATIBLE, "") == "CPU_INCOMPATIBLE");
  CHECK(stable_code(VIR_ERR_OPERATION_ABORTED, "") == "OPERATION_ABORTED");
  CHECK(stable_code(VIR_ERR_XML_ERROR, "") == "BAD_XML");
}

TEST_CASE("the text decides where the number says too little", "[virt]") {
  // What ssh prints, inside what libvirt says.
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR,
                    "Cannot recv data: @ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @ ... Host key verification "
                    "failed.: Connection reset by peer") == "HOST_KEY_CHANGED");
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR,
                    "Cannot recv data: Host key verification failed.: Connection reset by peer") == "HOST_KEY_UNKNOWN");
  CHECK(
      stable_code(VIR_ERR_LIBSSH,
                  "!!! SSH HOST KEY VERIFICATION FAILED !!!: Identity of host 'a:22' differs from stored identity.") ==
      "HOST_KEY_CHANGED");
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR,
                    "Cannot recv data: root@a: Permission denied (publickey).: Connection reset") == "AUTH_FAILED");
  // An end of file of a helper that never reached the daemon, or of an ssh that never reached the host, lost nothing.
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR,
                    "End of file while reading data: virt-ssh-helper: cannot connect to 's': Failed to connect socket "
                    "to 's': No such file or directory: Input/output error") == "NO_CONNECTION");
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR, "End of file while reading data: Input/output error") == "CONNECTION_LOST");
  CHECK(stable_code(VIR_ERR_SYSTEM_ERROR, "cannot write data to file: No space left on device") == "NO_SPACE");
  CHECK(stable_code(VIR_ERR_INTERNAL_ERROR, "connection closed due to keepalive timeout") == "CONNECTION_LOST");
  CHECK(stable_code(VIR_ERR_OPERATION_FAILED, "domain 'a' already exists with uuid 1") == "ALREADY_EXISTS");
  CHECK(stable_code(VIR_ERR_OPERATION_TIMEOUT,
                    "Timed out during operation: cannot acquire state change lock (held by monitor=x)") ==
        "DOMAIN_BUSY");
  CHECK(stable_code(VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: other") == "OPERATION_TIMEOUT");
  CHECK(stable_code(VIR_ERR_INTERNAL_ERROR, "anything") == "INTERNAL_ERROR");
  CHECK(stable_code(99999, "of a newer libvirt") == "LIBVIRT_ERROR");
}

TEST_CASE("an error names what was tried, where, why, and what to do", "[virt]") {
  OpenRequest request;
  request.uri = "qemu+tcp://127.0.0.1:1/system";
  try {
    VirConnection::open(request);
    FAIL("something listens on port 1");
  } catch (const Error& error) {
    CHECK(error.domain == "virt");
    CHECK(error.code == "NO_CONNECTION");
    CHECK(error.host == "127.0.0.1");
    CHECK(error.message.find("cannot connect to qemu+tcp://127.0.0.1:1/system: ") == 0);
    CHECK(error.native.find("libvirt error 38") == 0);
    CHECK_FALSE(error.hint.empty());
  }
}

TEST_CASE("what libvirt quotes of a document is no part of an error: a password may stand in it", "[virt]") {
  CHECK(without_secrets(VIR_ERR_XML_DETAIL, "(domain_definition):2: mismatch\n <graphics passwd='x y'>\n---^") ==
        "(domain_definition):2: mismatch");
  CHECK(without_secrets(VIR_ERR_INTERNAL_ERROR, "bad <graphics passwd='x y' port='1'> there") ==
        "bad <graphics passwd=*** port='1'> there");
  CHECK(without_secrets(VIR_ERR_INTERNAL_ERROR, "passwd=\"a'b\" passwd=plain end") == "passwd=*** passwd=*** end");
  CHECK(without_secrets(VIR_ERR_INTERNAL_ERROR, "passwd='never closed") == "passwd=***");
  CHECK(without_secrets(VIR_ERR_INTERNAL_ERROR, "passwd=") == "passwd=***");
}
