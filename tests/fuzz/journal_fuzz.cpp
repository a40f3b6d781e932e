// The journal: rows come back as they were written, whatever bytes they hold; and a file that was damaged anywhere says
// so, or gives the rows that were written. It never gives others: recovery would act on them.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "bindings/journal/store.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"

using namespace drover;
using namespace drover::journal;
using fuzz::expect;

namespace {

namespace fs = std::filesystem;

struct Folder : tests::TemporaryFolder {
  Folder() : TemporaryFolder(fuzz::memory_place()) {}
  std::string file() const { return *this / "journal.db"; }
  void clear() const {
    for (const char* end : {"", "-wal", "-shm", "-counts"}) fs::remove_all(file() + end);
  }
};

Folder& folder() {
  static Folder one;
  return one;
}

// All that recovery acts on.
std::string all_of(Store& store) {
  std::string text;
  for (const Run& run : store.runs(-1)) {
    text +=
        run.id + "|" + run.playbook_text + "|" + run.parameters + "|" + run.state + "|" + run.object + "|" + run.kept;
    for (const Entry& entry : store.entries(run.id)) {
      text += "\n" + std::to_string(entry.sequence) + "|" + entry.type + "|" + entry.kind + "|" + entry.arguments +
              "|" + entry.result + "|" + entry.state;
    }
    text += "\n";
  }
  return text;
}

Run run_of(const std::string& id) {
  Run run;
  run.id = id;
  run.playbook = "live-migrate";
  run.playbook_text = std::string(9000, 'x');  // more than a page
  run.parameters = "{\"domain\":\"web1\"}";
  run.owner = this_process();
  return run;
}

Entry entry_of(const std::string& kind, const std::string& arguments) {
  Entry entry;
  entry.type = "lease";
  entry.kind = kind;
  entry.label = "a label";
  entry.arguments = arguments;
  return entry;
}

struct Written {
  std::string bytes;
  std::string contents;
};

// A journal with two runs, as its one file after everything was written back to it.
Written write_journal() {
  folder().clear();
  Written written;
  {
    Store store(folder().file());
    for (const char* id : {"20260101-120000-aaaaaa", "20260102-120000-bbbbbb"}) {
      store.begin_run(run_of(id));
      store.add_intent(id, entry_of("authorized-key", "{\"host\":\"b\"}"));
      store.mark_entry(id, 1, "done", "{\"file\":\"/root/.ssh/authorized_keys\"}", "");
      store.add_intent(id, entry_of("created-volume", "{\"path\":\"/var/lib/libvirt/images/web1.qcow2\"}"));
      store.add_event(id, "step", "{}");
    }
    written.contents = all_of(store);
  }
  written.bytes = tests::read_text(folder().file());
  return written;
}

void open_damaged(fuzz::Data& data) {
  static const Written written = write_journal();
  std::string bytes = written.bytes;
  while (data.remaining_bytes() > 4 && data.ConsumeBool()) {
    size_t at = data.ConsumeIntegralInRange<size_t>(0, bytes.size() - 1);
    bytes[at] = static_cast<char>(bytes[at] ^ data.ConsumeIntegral<char>());
  }
  if (data.ConsumeBool()) bytes.resize(data.ConsumeIntegralInRange<size_t>(1, bytes.size()));
  folder().clear();
  tests::write_text(folder().file(), bytes);
  if (data.ConsumeBool()) tests::write_text(folder().file() + "-wal", data.ConsumeRemainingBytesAsString());
  std::string contents;
  if (fuzz::answers([&] {
        Store store(folder().file());
        contents = all_of(store);
      })) {
    expect(contents == written.contents, "a damaged journal says so, or gives what was written");
  }
}

void open_anything(fuzz::Data& data) {
  folder().clear();
  tests::write_text(folder().file(), data.ConsumeRemainingBytesAsString());
  fuzz::answers([&] {
    Store store(folder().file());
    all_of(store);
  });
}

void write_and_read(fuzz::Data& data) {
  folder().clear();
  Store store(folder().file());
  std::string id = fuzz::text(data, 20);
  Run run = run_of(id);
  run.playbook_text = fuzz::text(data, 60);
  run.parameters = fuzz::text(data, 60);
  Entry entry = entry_of(fuzz::text(data, 20), fuzz::text(data, 100));
  entry.label = fuzz::text(data, 20);
  std::string result = fuzz::text(data, 60), event = fuzz::text(data, 60);
  store.begin_run(run);
  int64_t sequence = store.add_intent(id, entry);
  store.mark_entry(id, sequence, "done", result, "");
  store.add_event(id, "step", event);
  Run read = store.runs(-1).at(0);
  expect(read.id == id && read.playbook_text == run.playbook_text && read.parameters == run.parameters,
         "a run is kept");
  Entry same = store.entries(id).at(0);
  expect(same.kind == entry.kind && same.arguments == entry.arguments && same.label == entry.label, "an entry is kept");
  expect(same.result == result && same.state == "done", "a result is kept");
  expect(store.events(id).at(0).data == event, "an event is kept");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Data data(bytes, size);
  switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
      open_anything(data);
      break;
    case 1:
      write_and_read(data);
      break;
    default:
      open_damaged(data);
  }
  return 0;
}
