#include "bindings/ssh/authorize.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "bindings/ssh/authorize_scripts.h"
#include "bindings/ssh/host_keys.h"
#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

constexpr int64_t script_timeout_ms = 60000;
constexpr size_t most_file_bytes = 8 << 20;
constexpr int most_tries = 200;
constexpr int most_looks = 10;

using Edit = std::function<std::optional<std::string>(const std::string& contents)>;

struct Edited {
  bool changed = false;
  bool made_file = false;
  bool made_directory = false;
};

std::string line_value(const std::string& header, const std::string& name) {
  for (const std::string& line : split(header, '\n')) {
    if (line.rfind(name + "=", 0) == 0) return line.substr(name.size() + 1);
  }
  return "";
}

// The header's lines, and behind them the bytes.
std::pair<std::string, std::string> split_answer(const std::string& output) {
  std::string separator = "\ncontent\n";
  size_t at = output.find(separator);
  if (at == output.npos) throw Error("ssh", "FAILED", "the answer about authorized_keys was cut short");
  return {output.substr(0, at), output.substr(at + separator.size())};
}

Error script_error(core::Machine& machine, const core::ExecResult& result, const std::string& what) {
  std::string said(trim(result.errors));
  auto contains = [&said](const char* text) { return said.find(text) != said.npos; };
  const char* code = result.exit_code == scripts::no_user         ? "NO_USER"
                     : result.exit_code == scripts::keys_disabled ? "KEYS_DISABLED"
                     : result.exit_code == scripts::busy          ? "BUSY"
                     : result.exit_code == scripts::hard_linked   ? "HARD_LINKED"
                     : result.exit_code == scripts::bad_path      ? "UNSAFE_PERMISSIONS"
                     : contains("Permission denied") || contains("not permitted") || contains("Read-only")
                         ? "NO_PERMISSION"
                     : contains("No space left") || contains("quota") ? "NO_SPACE"
                                                                      : "FILE_FAILED";
  return Error("ssh", code, what + ": " + split(said, '\n').back())
      .on_host(machine.name())
      .with_native("exit code " + std::to_string(result.exit_code) + "; " + said);
}

core::ExecResult run_script(core::Machine& machine, std::vector<std::string> argv, std::string input,
                            core::CancelToken& token) {
  core::ExecRequest request;
  request.argv = std::move(argv);
  request.input = std::move(input);
  request.environment = {{"LC_ALL", "C"}};
  request.timeout_ms = script_timeout_ms;
  request.most_output_bytes = most_file_bytes;
  return machine.exec(request, token);
}

KeysPlace read_place(core::Machine& machine, const KeyRequest& request, core::CancelToken& token) {
  for (const std::string* text : {&request.user, &request.file}) {
    if (text->find_first_of(std::string("\n\0", 2)) != text->npos) {
      throw Error("ssh", "BAD_ARGUMENT", "a user or file name holds a newline").on_host(machine.name());
    }
  }
  if (!request.file.empty() && request.file.front() != '/') {
    throw Error("ssh", "BAD_ARGUMENT", "the file of authorized keys must be absolute: " + request.file);
  }
  std::string expiry = request.expires_at_s > 0 ? std::to_string((request.expires_at_s + 59) / 60 * 60) : "";
  auto result =
      run_script(machine, {"sh", "-c", scripts::read_keys, "drover", request.user, request.file, expiry}, "", token);
  if (result.exit_code != 0) throw script_error(machine, result, "authorized_keys cannot be read");
  return parse_place(result.output);
}

// A file below a user's home is edited as that user: root must not follow links that the user can turn.
std::vector<std::string> script_argv(const KeysPlace& place) {
  bool below_home = place.file.rfind(place.home + "/", 0) == 0 || place.real.rfind(place.home + "/", 0) == 0;
  if (place.user != place.login && below_home) return {"runuser", "-u", place.user, "--", "sh", "-c"};
  return {"sh", "-c"};
}

// The more tries it took, the more editors there are.
void pause_a_little(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  unsigned most_ms = 20U * static_cast<unsigned>(std::min(attempt + 1, 10));
  std::this_thread::sleep_for(std::chrono::milliseconds(2 + random() % most_ms));
}

// Within this process editors of one file take turns: the lock on the host is against other processes, and there each
// lost race costs a round trip.
class Turn {
 public:
  Turn(const std::string& host, const std::string& file, core::CancelToken& token) {
    {
      std::lock_guard lock(map_mutex());
      auto& entry = mutexes()[host + "\n" + file];
      if (!entry) entry = std::make_shared<std::timed_mutex>();
      mutex_ = entry;
    }
    while (!mutex_->try_lock_for(std::chrono::milliseconds(50))) token.throw_if_cancelled("authorized_keys");
  }
  ~Turn() { mutex_->unlock(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  static std::mutex& map_mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static std::map<std::string, std::shared_ptr<std::timed_mutex>>& mutexes() {
    static std::map<std::string, std::shared_ptr<std::timed_mutex>> map;
    return map;
  }
  std::shared_ptr<std::timed_mutex> mutex_;
};

std::vector<std::string> lines_of(const std::string& contents) {
  std::vector<std::string> lines = split(contents, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Does to `now` what somebody did to `before` when they wrote `late`: lines that they took away go, new ones are added
// at its end, each a line of its own.
std::string merge_lines(const std::string& before, const std::string& late, const std::string& now) {
  auto has = [](const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  };
  std::vector<std::string> had = lines_of(before), has_late = lines_of(late), merged;
  for (const std::string& line : lines_of(now)) {
    if (!has(had, line) || has(has_late, line)) merged.push_back(line);
  }
  for (const std::string& line : has_late) {
    if (!has(had, line)) merged.push_back(line);
  }
  std::string contents;
  for (const std::string& line : merged) contents += line + "\n";
  return contents;
}

// Each appends lines, also where the one before forgot to end its last one.
std::string append_lines(std::string contents, const std::string& lines) {
  if (!contents.empty() && contents.back() != '\n') contents += '\n';
  return contents + lines;
}

// The edit that brings over what somebody wrote to the old file in the last instant, when ours was in its place
// already. before: what the old file held, mine: what ours holds, late: what the old file holds now. Others may change
// our file at the same time.
Edit bring_over(const Edit& edit, const std::string& before, const std::string& mine, const std::string& late) {
  return [=](const std::string& now) {
    std::string wanted = late.starts_with(before) ? append_lines(now, late.substr(before.size()))
                         : now == mine            ? late
                                                  : merge_lines(before, late, now);
    return std::optional(edit(wanted).value_or(wanted));
  };
}

Edited edit_file(core::Machine& machine, KeysPlace place, const std::string& mark, const Edit& wanted,
                 const GrantedKey* take_away, core::CancelToken& token) {
  Edited outcome;
  Edit edit = wanted;
  for (int attempt = 0; attempt < most_tries; ++attempt) {
    std::optional<std::string> contents = edit(place.contents);
    if (!contents) return outcome;
    bool remove_file = take_away != nullptr && take_away->made_file;
    bool remove_directory = take_away != nullptr && take_away->made_directory;
    std::vector<std::string> argv = script_argv(place);
    argv.insert(
        argv.end(),
        {scripts::replace_keys, "drover", place.real, std::to_string(place.uid) + ":" + std::to_string(place.gid),
         place.exists ? "yes" : "no", std::to_string(place.contents.size()), std::to_string(contents->size()),
         remove_file ? "yes" : "no", remove_directory ? "yes" : "no", take_away == nullptr ? "yes" : "no", mark});
    auto result = run_script(machine, argv, place.contents + *contents, token);
    bool done = result.exit_code == 0;
    if (!done && result.exit_code != scripts::changed && result.exit_code != scripts::late) {
      Error error = script_error(machine, result, place.real + " is not changed").on_object(place.real);
      if (result.exit_code == scripts::hard_linked) error.with_hint("make it a file of its own, or a symbolic link");
      throw error;
    }
    outcome.made_directory |= line_value(result.output, "made_directory") == "yes";
    if (result.exit_code != scripts::changed) {
      outcome.changed = true;
      outcome.made_file |= !place.exists;
    }
    if (done) return outcome;
    auto [header, found] = split_answer(result.output);
    if (result.exit_code == scripts::changed) {
      place.exists = line_value(header, "exists") == "yes";
      place.contents = found;
    } else {
      // Of the edit that was wanted: what came late before this is in the file by now.
      edit = bring_over(wanted, place.contents, *contents, found);
      place.contents = *contents;
      place.exists = true;
    }
    token.throw_if_cancelled("authorized_keys");
    pause_a_little(attempt);
  }
  throw Error("ssh", "BUSY", place.real + " is changed by others all the time")
      .on_host(machine.name())
      .on_object(place.real)
      .with_hint("look which program rewrites it");
}

// After an editor that was killed: its temporary files, and the folder that it made.
void clean_up(core::Machine& machine, const KeysPlace& place, const std::string& mark, bool remove_directory,
              core::CancelToken& token) {
  std::vector<std::string> argv = script_argv(place);
  std::string directory = place.real.substr(0, std::max<size_t>(place.real.rfind('/'), 1));
  argv.insert(argv.end(), {scripts::clean_up, "drover", directory, remove_directory ? "yes" : "no"});
  auto result = run_script(machine, argv, mark + "\n", token);
  if (result.exit_code != 0) throw script_error(machine, result, directory + " is not cleaned up").on_object(directory);
}

bool knows_utc(const std::string& version) {
  int major = 0, minor = 0;
  size_t at = version.find("OpenSSH_");
  if (at == version.npos || sscanf(version.c_str() + at, "OpenSSH_%d.%d", &major, &minor) != 2) return true;
  return major > 9 || (major == 9 && minor >= 1);
}

std::string key_line(const KeyRequest& request, const KeysPlace& place, const PublicKey& key) {
  LineOptions options = request.options;
  if (request.expires_at_s > 0) {
    // Before 9.1 sshd reads the time in its own zone, and a line with a Z not at all.
    options.expiry = knows_utc(place.version) ? expiry_text(request.expires_at_s) : place.local_expiry;
  }
  std::string text = format_options(options);
  return (text.empty() ? "" : text + " ") + key.line() + " " + request.mark;
}

void check_mark(const std::string& mark) {
  bool bad = mark.empty() || mark.front() == ' ' || mark.back() == ' ';
  for (unsigned char letter : mark) bad = bad || letter < ' ' || letter == 0x7f;
  if (bad) throw Error("ssh", "BAD_ARGUMENT", "the mark of a key is a line of text without blanks around it");
}

uint32_t number(std::string_view text, int base = 10) {
  uint32_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc() || end != text.data() + text.size()) {
    throw Error("ssh", "FAILED", "the answer about authorized_keys holds no number where one must be")
        .with_native(std::string(text.substr(0, 80)));
  }
  return value;
}

}  // namespace

KeysPlace parse_place(const std::string& output) {
  auto [header, contents] = split_answer(output);
  KeysPlace place;
  place.contents = std::move(contents);
  for (const std::string& line : split(header, '\n')) {
    size_t equals = line.find('=');
    std::string name = line.substr(0, equals), value = equals == line.npos ? "" : line.substr(equals + 1);
    if (name == "login") place.login = value;
    if (name == "user") place.user = value;
    if (name == "uid") place.uid = number(value);
    if (name == "gid") place.gid = number(value);
    if (name == "home") place.home = value;
    if (name == "file") place.file = value;
    if (name == "real") place.real = value;
    if (name == "strict") place.strict = value != "no";
    if (name == "version") place.version = value;
    if (name == "local_expiry") place.local_expiry = value;
    if (name == "exists") place.exists = value == "yes";
    if (name == "leftovers") place.leftovers = true;
    if (name == "node") {
      KeysPlace::Node node;
      size_t first = value.find(' '), second = value.find(' ', first + 1), colon = value.find(':', second);
      if (colon == value.npos) throw Error("ssh", "FAILED", "stat gave an answer that drover does not understand");
      node.uid = number(std::string_view(value).substr(0, first));
      node.mode = number(std::string_view(value).substr(first + 1, second - first - 1), 8);
      node.type = value.substr(second + 1, colon - second - 1);
      node.path = value.substr(colon + 1);
      place.nodes.push_back(std::move(node));
    }
  }
  return place;
}

void check_permissions(const KeysPlace& place, const std::string& host) {
  auto refuse = [&](const KeysPlace::Node& node, const std::string& why, const std::string& hint) {
    throw Error("ssh", "UNSAFE_PERMISSIONS",
                "sshd would not use the keys of " + place.user + ": " + node.path + " " + why)
        .on_host(host)
        .on_object(node.path)
        .with_hint(hint);
  };
  for (const KeysPlace::Node& node : place.nodes) {
    if (node.path == place.real && node.type.find("regular") == std::string::npos) {
      refuse(node, "is no file but a " + node.type, "look what put it there");
    }
    if (!place.strict) continue;
    if (node.uid != 0 && node.uid != place.uid) {
      refuse(node, "belongs to user " + std::to_string(node.uid), "chown " + place.user + " " + node.path);
    }
    if ((node.mode & 022) != 0) refuse(node, "may be written by others", "chmod go-w " + node.path);
    if (node.path == place.home) break;  // sshd looks no further
  }
}

GrantedKey authorize_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token) {
  PublicKey key = parse_public_key(request.key);
  check_mark(request.mark);
  format_options(request.options);  // before anything is asked of the host
  Turn turn(machine.name(), request.user + "\n" + request.file, token);
  KeysPlace place = read_place(machine, request, token);
  check_permissions(place, machine.name());
  GrantedKey granted;
  granted.user = place.user;
  granted.file = place.real;
  granted.line = key_line(request, place, key);
  Edit edit = [&](const std::string& contents) -> std::optional<std::string> {
    if (find_line(contents, key.blob, request.mark) == Presence::ours) return std::nullopt;
    AddedLine added = add_line(contents, granted.line);
    granted.added_newline = added.added_newline;
    return added.contents;
  };
  Edited outcome = edit_file(machine, place, request.mark, edit, nullptr, token);
  granted.added = outcome.changed;
  granted.made_file = outcome.made_file;
  granted.made_directory = outcome.made_directory;
  if (!granted.added) {
    for (const AuthorizedLine& line : parse_authorized_keys(place.contents)) {
      if (line.blob == key.blob && line.comment == request.mark) {
        granted.line = std::string(trim(place.contents.substr(line.begin, line.end - line.begin)));
      }
    }
  }
  return granted;
}

GrantedKey foresee_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token) {
  KeysPlace place = read_place(machine, request, token);
  GrantedKey foreseen;
  foreseen.user = place.user;
  foreseen.file = place.real;
  foreseen.added_newline = !place.contents.empty() && place.contents.back() != '\n';
  foreseen.made_file = !place.exists;
  std::string directory = place.real.substr(0, std::max<size_t>(place.real.rfind('/'), 1));
  foreseen.made_directory = std::none_of(place.nodes.begin(), place.nodes.end(),
                                         [&](const KeysPlace::Node& node) { return node.path == directory; });
  return foreseen;
}

bool revoke_key(core::Machine& machine, const KeyRequest& request, const GrantedKey& granted,
                core::CancelToken& token) {
  PublicKey key = parse_public_key(request.key);
  check_mark(request.mark);
  Turn turn(machine.name(), request.user + "\n" + request.file, token);
  Edit edit = [&](const std::string& contents) -> std::optional<std::string> {
    RemovedLine removed = remove_line(contents, key.blob, request.mark, granted.added_newline);
    if (!removed.removed) return std::nullopt;
    return removed.contents;
  };
  auto is_there = [&](const KeysPlace& place) { return place.exists && edit(place.contents).has_value(); };
  // The editor of a run that was killed may live on, and write the line after it was looked for: a line is not there
  // only when it was looked for after the lock was free.
  bool removed = false, editor_was_there = false;
  KeysPlace place;
  for (int look = 0; look < most_looks; ++look) {
    place = read_place(machine, request, token);
    editor_was_there |= place.leftovers;
    if (place.leftovers || !is_there(place)) {
      clean_up(machine, place, request.mark, granted.made_directory && !place.exists, token);
      place = read_place(machine, request, token);
      if (!is_there(place)) return removed;
    }
    removed |= edit_file(machine, place, request.mark, edit, &granted, token).changed;
    if (!editor_was_there) return removed;
  }
  throw Error("ssh", "BUSY", "the line of a key comes back to " + place.real + " each time that it is taken away")
      .on_host(machine.name())
      .on_object(place.real)
      .with_hint("look which program writes it, end that, then run 'drover recover'");
}

Presence probe_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token) {
  PublicKey key = parse_public_key(request.key);
  KeysPlace place = read_place(machine, request, token);
  return place.exists ? find_line(place.contents, key.blob, request.mark) : Presence::absent;
}

}  // namespace drover::ssh
