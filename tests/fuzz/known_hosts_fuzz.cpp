// known_hosts: whatever is in it, reading it goes well, a revoked key is never known, and a host that was added is
// known, with every byte that was there before.
#include "bindings/ssh/host_keys.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"

using namespace drover;
using namespace drover::ssh;
using fuzz::expect;

namespace {

const std::string key_line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICf9svRenC/PLKIL9nk6K/pxQgoiFC41wTNvoIncOxs5";

void check_host(const std::string& file, const std::string& known_as, const PublicKey& key) {
  std::vector<KnownEntry> entries = find_known_hosts({file}, known_as);
  HostKeyState state = judge_host_key(entries, key);
  bool named = false, revoked = false;
  for (const KnownEntry& entry : entries) {
    named = named || entry.key.blob == key.blob;
    revoked = revoked || (entry.revoked && entry.key.blob == key.blob);
  }
  expect(state != HostKeyState::known || (named && !revoked), "a known key is named, and not revoked");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static tests::TemporaryFolder folder(fuzz::memory_place());
  static const PublicKey key = parse_public_key(key_line);
  std::string contents(reinterpret_cast<const char*>(bytes), size), file = folder / "known_hosts";
  tests::write_text(file, contents);
  for (const char* known_as : {"kvm1", "[kvm1]:2222", "10.77.0.1"}) check_host(file, known_as, key);
  fuzz::answers([&] { parse_public_key(contents); });
  core::CancelToken token;
  // With hashed names ssh-keygen is asked, which is too slow here.
  if (contents.find("|1|") != contents.npos) return 0;
  if (fuzz::answers([&] { add_known_host(file, "kvm1", key, token); })) {
    expect(judge_host_key(find_known_hosts({file}, "kvm1"), key) == HostKeyState::known, "an added host is known");
    expect(tests::read_text(file).compare(0, contents.size(), contents) == 0, "what was there stays");
  } else {
    expect(tests::read_text(file) == contents, "a refusal changes nothing");
  }
  return 0;
}
