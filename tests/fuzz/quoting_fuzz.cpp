// The command line for a remote shell, read by a model of a POSIX shell, and the names of hosts that become arguments
// of ssh.
#include "bindings/ssh/host_config.h"
#include "bindings/ssh/quoting.h"
#include "tests/fuzz/fuzz.h"

using namespace drover;
using namespace drover::ssh;
using fuzz::expect;

namespace {

// The words of a line. Outside of quotes nothing may stand that any shell gives a meaning to.
std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool any = false, quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    char letter = line[i];
    if (quoted) {
      if (letter == '\'') quoted = false;
      if (letter != '\'') word += letter;
      continue;
    }
    if (letter == '\'') {
      quoted = any = true;
    } else if (letter == '\\') {
      expect(i + 1 < line.size() && (line[i + 1] == '\'' || line[i + 1] == '\\'), "a backslash escapes what it must");
      word += line[++i];
      any = true;
    } else if (letter == ' ') {
      if (any) words.push_back(word);
      word.clear();
      any = false;
    } else {
      bool plain = isalnum(static_cast<unsigned char>(letter)) || strchr("_-./:@%+,=", letter) != nullptr;
      expect(plain && static_cast<unsigned char>(letter) < 0x80,
             "a letter that a shell reads stands outside of quotes");
      word += letter;
      any = true;
    }
  }
  expect(!quoted, "every quote is closed");
  if (any) words.push_back(word);
  return words;
}

void check_command(fuzz::Data& data) {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  for (size_t count = data.ConsumeIntegralInRange<size_t>(0, 4); count > 0; --count)
    argv.push_back(fuzz::text(data, 60));
  if (data.ConsumeBool()) environment[fuzz::text(data, 10)] = fuzz::text(data, 60);
  std::string line;
  if (!fuzz::answers([&] { line = command_line(argv, environment); })) {
    bool nul = false, bad_name = false;
    for (const std::string& word : argv) nul = nul || word.find('\0') != word.npos;
    for (const auto& [name, value] : environment) {
      nul = nul || value.find('\0') != value.npos;
      bad_name = name.empty() ||
                 name.find_first_not_of(
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
                     "0123456789") != name.npos ||
                 isdigit(name[0]);
    }
    expect(argv.empty() || argv[0].empty() || nul || bad_name, "a command that can be said is not refused");
    return;
  }
  std::vector<std::string> expected{"exec"};
  if (!environment.empty()) expected.push_back("env");
  for (const auto& [name, value] : environment) expected.push_back(name + "=" + value);
  expected.insert(expected.end(), argv.begin(), argv.end());
  expect(shell_words(line) == expected, "the shell gets the same words");
}

void check_target(const std::string& text) {
  Target target;
  if (!fuzz::answers([&] { target = parse_target(text); })) return;
  for (const std::string& name : {target.host, target.user.value_or("x")}) {
    expect(!name.empty() && name.front() != '-', "a name is no option");
    expect(name.find_first_of(std::string(" \t\n\r'\"`$\\;&<>|(){}*?!\0", 21)) == name.npos, "a name is no shell text");
  }
  expect(!target.port || (*target.port > 0 && *target.port < 65536), "a port is a port");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Data data(bytes, size);
  if (data.ConsumeBool()) {
    check_command(data);
  } else {
    check_target(data.ConsumeRemainingBytesAsString());
  }
  return 0;
}
