#include "bindings/journal/journal.h"

#include <unistd.h>

#include <cstdlib>

#include "bindings/core/object.h"
#include "bindings/core/operation.h"
#include "bindings/journal/store.h"
#include "host/base/home.h"

namespace drover::journal {

std::string state_folder() {
  if (const char* folder = std::getenv("DROVER_STATE"); folder != nullptr && *folder != '\0') return folder;
  if (geteuid() == 0) return "/var/lib/drover";
  if (const char* folder = std::getenv("XDG_STATE_HOME"); folder != nullptr && *folder == '/') {
    return std::string(folder) + "/drover";
  }
  return home_folder() + "/.local/state/drover";
}

namespace {

using core::Args;
using core::CancelToken;
using core::OnCancel;
using core::Options;
using core::Push;

struct Journal {
  static constexpr const char* lua_name = "journal.Journal";
  std::shared_ptr<Store> store;
};

std::shared_ptr<Store> check_store(lua_State* L, const char* function) {
  auto store = core::check_object<Journal>(L, 1, function).store;
  if (!store) throw Error("journal", "CLOSED", "the journal is closed");
  return store;
}

// Journal writes are never half wanted: a cancelled task still learns how its write ended.
int start(lua_State* L, std::string description, std::function<Push()> work) {
  return core::start_work(
      L, std::move(description), [work = std::move(work)](CancelToken&) { return work(); }, OnCancel::wait);
}

Push nothing() {
  return [](lua_State*) { return 0; };
}

void push_run(lua_State* L, const Run& run) {
  lua_newtable(L);
  core::set_field(L, "id", run.id);
  core::set_field(L, "playbook", run.playbook);
  core::set_field(L, "playbook_file", run.playbook_file);
  core::set_field(L, "playbook_text", run.playbook_text);
  core::set_field(L, "parameters", run.parameters);
  core::set_field(L, "state", run.state);
  core::set_field(L, "error", run.error);
  core::set_field(L, "object", run.object);
  core::set_field(L, "kept", run.kept == "1");
  core::set_field(L, "pid", run.owner.pid);
  core::set_field(L, "alive", run.state == "running" && is_alive(run.owner));
  core::set_field(L, "own", run.state == "running" && run.owner == this_process());
  core::set_field(L, "here", run.owner.machine_id == this_process().machine_id);
  core::set_field(L, "started_ms", run.started_ms);
  core::set_field(L, "ended_ms", run.ended_ms);
}

int open(lua_State* L) {
  Options options(L, 1, "journal.open");
  std::string path = options.text("path").value_or(state_folder() + "/journal.db");
  options.finish();
  return start(L, "open the journal " + path, [path]() -> Push {
    auto store = std::make_shared<Store>(path);
    return [store](lua_State* state) {
      core::push_object(state, Journal{store});
      return 1;
    };
  });
}

int folder(lua_State* L) {
  core::push(L, state_folder());
  return 1;
}

int journal_close(lua_State* L) {
  core::check_object<Journal>(L, 1, "Journal.close").store.reset();
  return 0;
}

int journal_path(lua_State* L) {
  core::push(L, check_store(L, "Journal.path")->path());
  return 1;
}

int begin_run(lua_State* L) {
  auto store = check_store(L, "Journal.begin_run");
  Options options(L, 2, "Journal.begin_run");
  Run run;
  run.id = options.text("id").value_or("");
  run.playbook = options.text("playbook").value_or("");
  run.playbook_file = options.text("playbook_file").value_or("");
  run.playbook_text = options.text("playbook_text").value_or("");
  run.parameters = options.text("parameters").value_or("{}");
  run.object = options.text("object").value_or("");
  options.finish();
  if (run.id.empty()) throw Error("usage", "BAD_ARGUMENT", "Journal.begin_run: id: expected a string, got nothing");
  return start(L, "write the run to the journal", [store, run]() mutable {
    run.owner = this_process();
    store->begin_run(run);
    return nothing();
  });
}

int end_run(lua_State* L) {
  auto store = check_store(L, "Journal.end_run");
  Args args(L, "Journal.end_run");
  std::string id = args.text(2, "run");
  std::string state =
      args.choice(3, "state", {"done", "failed", "interrupted", "needs_operator", "recovered", "undone"});
  std::string error = args.optional_text(4, "error").value_or("");
  return start(L, "end the run in the journal", [=]() {
    store->end_run(id, state, error);
    return nothing();
  });
}

Push push_holder(std::string holder) {
  return [holder = std::move(holder)](lua_State* L) {
    if (!holder.empty()) core::push(L, holder);
    return holder.empty() ? 0 : 1;
  };
}

int claim_object(lua_State* L) {
  auto store = check_store(L, "Journal.claim_object");
  Args args(L, "Journal.claim_object");
  return start(L, "write the run's object to the journal",
               [store, id = args.text(2, "run"), object = args.text(3, "object")]() -> Push {
                 return push_holder(store->claim_object(id, object));
               });
}

int find_holder(lua_State* L) {
  auto store = check_store(L, "Journal.find_holder");
  return start(L, "read the journal", [store, object = Args(L, "Journal.find_holder").text(2, "object")]() -> Push {
    return push_holder(store->find_holder(object));
  });
}

int set_run_kept(lua_State* L) {
  auto store = check_store(L, "Journal.set_run_kept");
  Args args(L, "Journal.set_run_kept");
  std::string id = args.text(2, "run");
  bool kept = args.boolean(3, "kept");
  return start(L, "mark the run as kept", [=]() {
    store->set_run_kept(id, kept);
    return nothing();
  });
}

int commit_run(lua_State* L) {
  auto store = check_store(L, "Journal.commit_run");
  std::string id = Args(L, "Journal.commit_run").text(2, "run");
  return start(L, "commit the run", [=]() {
    store->commit_run(id);
    return nothing();
  });
}

int adopt_run(lua_State* L) {
  auto store = check_store(L, "Journal.adopt_run");
  std::string id = Args(L, "Journal.adopt_run").text(2, "run");
  return start(L, "take over the run " + id, [=]() -> Push {
    bool adopted = store->adopt_run(id);
    return [adopted](lua_State* state) {
      core::push(state, adopted);
      return 1;
    };
  });
}

int runs(lua_State* L) {
  auto store = check_store(L, "Journal.runs");
  auto limit = Args(L, "Journal.runs").optional_integer(2, "limit", 1, 100000);
  return start(L, "read the journal", [=]() -> Push {
    auto found = store->runs(static_cast<int>(limit.value_or(100)));
    return [found](lua_State* state) {
      lua_newtable(state);
      lua_Integer index = 0;
      for (const Run& run : found) {
        push_run(state, run);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int find_run(lua_State* L) {
  auto store = check_store(L, "Journal.find_run");
  std::string id = Args(L, "Journal.find_run").text(2, "run");
  return start(L, "read the journal", [=]() -> Push {
    auto found = store->find_run(id);
    return [found](lua_State* state) {
      if (!found) return 0;
      push_run(state, *found);
      return 1;
    };
  });
}

int add_intent(lua_State* L) {
  auto store = check_store(L, "Journal.add_intent");
  Args args(L, "Journal.add_intent");
  std::string run = args.text(2, "run");
  Options options(L, 3, "Journal.add_intent");
  Entry entry;
  entry.type = options.choice("type", {"lease", "undo", "follow_up"}).value_or("lease");
  entry.kind = options.text("kind").value_or("");
  entry.label = options.text("label").value_or("");
  entry.arguments = options.text("arguments").value_or("{}");
  options.finish();
  return start(L, "write the intent of " + entry.kind, [=]() -> Push {
    int64_t sequence = store->add_intent(run, entry);
    return [sequence](lua_State* state) {
      core::push(state, sequence);
      return 1;
    };
  });
}

int mark_entry(lua_State* L) {
  auto store = check_store(L, "Journal.mark_entry");
  Args args(L, "Journal.mark_entry");
  std::string run = args.text(2, "run");
  int64_t sequence = args.integer(3, "sequence", 1);
  std::string state_name = args.choice(4, "state", {"done", "ended", "failed"});
  std::string result = args.optional_text(5, "result").value_or("");
  std::string error = args.optional_text(6, "error").value_or("");
  return start(L, "mark the entry " + state_name, [=]() {
    store->mark_entry(run, sequence, state_name, result, error);
    return nothing();
  });
}

int entries(lua_State* L) {
  auto store = check_store(L, "Journal.entries");
  std::string run = Args(L, "Journal.entries").text(2, "run");
  return start(L, "read the journal", [=]() -> Push {
    auto found = store->entries(run);
    return [found](lua_State* state) {
      lua_newtable(state);
      lua_Integer index = 0;
      for (const Entry& entry : found) {
        lua_newtable(state);
        core::set_field(state, "sequence", entry.sequence);
        core::set_field(state, "type", entry.type);
        core::set_field(state, "kind", entry.kind);
        core::set_field(state, "label", entry.label);
        core::set_field(state, "arguments", entry.arguments);
        core::set_field(state, "result", entry.result);
        core::set_field(state, "state", entry.state);
        core::set_field(state, "error", entry.error);
        core::set_field(state, "created_ms", entry.created_ms);
        core::set_field(state, "updated_ms", entry.updated_ms);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int add_event(lua_State* L) {
  auto store = check_store(L, "Journal.add_event");
  Args args(L, "Journal.add_event");
  std::string run = args.text(2, "run");
  std::string type = args.text(3, "type");
  std::string data = args.text(4, "data");
  return start(L, "write an event to the journal", [=]() {
    store->add_event(run, type, data);
    return nothing();
  });
}

int events(lua_State* L) {
  auto store = check_store(L, "Journal.events");
  std::string run = Args(L, "Journal.events").text(2, "run");
  return start(L, "read the journal", [=]() -> Push {
    auto found = store->events(run);
    return [found](lua_State* state) {
      lua_newtable(state);
      lua_Integer index = 0;
      for (const Event& event : found) {
        lua_newtable(state);
        core::set_field(state, "at_ms", event.at_ms);
        core::set_field(state, "type", event.type);
        core::set_field(state, "data", event.data);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

constexpr auto waits = core::Blocking::yes;
const char* const unusable_code = "JOURNAL_UNUSABLE";
const core::Value run_id{"run", "string", "The id of a run."};

core::Class journal_class() {
  return {
      Journal::lua_name,
      "The journal of runs.",
      {
          {"close", journal_close, "Closes the journal.", {}, {}},
          {"path", journal_path, "The database file.", {}, {{"path", "string", ""}}, "CLOSED"},
          {"begin_run",
           begin_run,
           "Writes a new run, durably.",
           {{"run", "table", "id, playbook, playbook_file, playbook_text, parameters (JSON), object."}},
           {},
           unusable_code,
           waits},
          {"end_run",
           end_run,
           "Ends a run.",
           {run_id,
            {"state", "string", "done, failed, interrupted, needs_operator, recovered or undone."},
            {"error?", "string", "JSON of the error."}},
           {},
           unusable_code,
           waits},
          {"claim_object",
           claim_object,
           "Says what the run is about, unless another run of that object is not finished: then its id is given.",
           {run_id, {"object", "string", "A domain's UUID."}},
           {{"holder", "string?", "The other run; nil when the object is this run's now."}},
           unusable_code,
           waits},
          {"find_holder",
           find_holder,
           "The run of an object that is not finished. It only looks.",
           {{"object", "string", "A domain's UUID."}},
           {{"holder", "string?", "Its id; nil when there is none."}},
           unusable_code,
           waits},
          {"set_run_kept",
           set_run_kept,
           "Marks a run whose entries were left on purpose, or takes that back.",
           {run_id, {"kept", "boolean", "Whether its entries stay for a person."}},
           {},
           unusable_code,
           waits},
          {"commit_run",
           commit_run,
           "Ends all undo entries of a run and makes its follow-ups due, at once and durably.",
           {run_id},
           {},
           unusable_code,
           waits},
          {"adopt_run",
           adopt_run,
           "Takes over a dead run, or one that needs an operator; false when somebody alive has it or it was finished.",
           {run_id},
           {{"adopted", "boolean", ""}},
           unusable_code,
           waits},
          {"runs",
           runs,
           "The newest runs.",
           {{"limit?", "integer", "100 without it."}},
           {{"runs", "table[]", ""}},
           unusable_code,
           waits},
          {"find_run",
           find_run,
           "The run of that id, or of a unique beginning of it.",
           {run_id},
           {{"run", "table?", "The id of a run."}},
           "AMBIGUOUS_RUN, JOURNAL_UNUSABLE",
           waits},
          {"add_intent",
           add_intent,
           "Writes an entry before its effect, durably.",
           {run_id, {"entry", "table", "type (lease, undo, follow_up), kind, label, arguments (JSON)."}},
           {{"sequence", "integer", "The number that add_intent gave."}},
           unusable_code,
           waits},
          {"mark_entry",
           mark_entry,
           "Marks an entry done, ended or failed.",
           {run_id,
            {"sequence", "integer", "The number that add_intent gave."},
            {"state", "string", "done, ended, failed."},
            {"result?", "string", "JSON of what the grant gave."},
            {"error?", "string", "What went wrong, for a person."}},
           {},
           unusable_code,
           waits},
          {"entries",
           entries,
           "The entries of a run, in order.",
           {run_id},
           {{"entries", "table[]", ""}},
           unusable_code,
           waits},
          {"add_event",
           add_event,
           "Adds to a run's history.",
           {run_id, {"type", "string", "step, warning, progress, lease, ended, ..."}, {"data", "string", "JSON."}},
           {},
           unusable_code,
           waits},
          {"events", events, "The history of a run.", {run_id}, {{"events", "table[]", ""}}, unusable_code, waits},
      },
      core::destroy_object<Journal>};
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "journal",
      "What runs did and what they must take back.",
      {
          {"open",
           open,
           "Opens the journal, or makes it.",
           {{"options?", "table", "path: another file than the usual one."}},
           {{"journal", "journal.Journal", ""}},
           "JOURNAL_UNUSABLE",
           waits},
          {"folder",
           folder,
           "Where the journal is: $DROVER_STATE, /var/lib/drover for root, $XDG_STATE_HOME/drover else.",
           {},
           {{"path", "string", ""}}},
      },
      {journal_class()}};
  return definition;
}

}  // namespace drover::journal
