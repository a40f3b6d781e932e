// bench_run FOLDER DROVER SOURCES JSON: times drover beside its peers, in turns, so that a busy moment of the machine
// hits all of them. The list of workloads below is the documentation of what is measured; a number is a median.
// A workload is a process: its wall time from spawn to exit counts, or the number that it prints (nanoseconds a call).
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

extern char** environ;

namespace {

struct Workload {
  std::string name;
  std::vector<std::string> argv;
  std::vector<double> samples = {};
};

struct Comparison {
  std::string name;
  std::string what;
  std::string unit;
  bool prints_its_number;
  int rounds;
  double most_times_the_first;  // the goal for drover, against the first workload
  std::vector<Workload> workloads;
};

std::vector<Comparison> comparisons(const std::string& programs, const std::string& drover,
                                    const std::string& sources) {
  const std::string uri = "test:///default";
  const std::string calls = "300000";
  return {
      {"start",
       "start and end of a process",
       "ms",
       false,
       61,
       2.0,
       {{"C, same libraries", {programs + "/bench_nothing"}},
        {"drover", {drover, "eval", "return 1"}},
        {"lua5.4", {"/usr/bin/lua5.4", "-e", "return 1"}},
        {"python3 with libvirt", {"/usr/bin/python3", "-c", "import libvirt"}},
        {"virsh", {"/usr/bin/virsh", "--version"}}}},
      {"connect",
       "the same, with a connection to " + uri,
       "ms",
       false,
       31,
       1.3,
       {{"C", {programs + "/bench_connect", uri}},
        {"drover", {drover, "eval", "virt.connect('" + uri + "'):close()"}},
        {"python3-libvirt", {"/usr/bin/python3", "-c", "import libvirt; libvirt.open('" + uri + "').close()"}},
        {"virsh", {"/usr/bin/virsh", "-c", uri, "uri"}}}},
      {"info",
       "processor time of one dom:info() on " + uri,
       "ns",
       true,
       15,
       1.15,
       {{"C", {programs + "/bench_info", calls}},
        {"drover", {drover, sources + "/info.lua", calls}},
        {"python3-libvirt", {"/usr/bin/python3", sources + "/info.py", calls}}}},
  };
}

[[noreturn]] void fail(const Workload& workload, const std::string& why) {
  std::fprintf(stderr, "bench: %s: %s\n", workload.name.c_str(), why.c_str());
  std::exit(1);
}

// Runs it once and gives its number: milliseconds, or what it printed.
double run_once(const Workload& workload, bool prints_its_number) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail(workload, "no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : workload.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t process = 0;
  auto started = std::chrono::steady_clock::now();
  if (posix_spawn(&process, argv[0], &actions, nullptr, argv.data(), environ) != 0) fail(workload, "cannot start");
  int status = 0;
  waitpid(process, &status, 0);
  auto elapsed = std::chrono::steady_clock::now() - started;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char text[4096] = {};
  ssize_t size = read(ends[0], text, sizeof text - 1);
  close(ends[0]);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(workload, "it failed");
  if (!prints_its_number) return std::chrono::duration<double, std::milli>(elapsed).count();
  if (size <= 0) fail(workload, "it printed nothing");
  return std::atof(text);
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

// Prints the table of one comparison and gives it as data.
nlohmann::ordered_json report(const Comparison& comparison, bool& met) {
  std::printf("%s: %s, median of %d\n", comparison.name.c_str(), comparison.what.c_str(), comparison.rounds);
  double first = median(comparison.workloads[0].samples);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  double drover_ratio = 0;
  for (const Workload& workload : comparison.workloads) {
    double value = median(workload.samples);
    double least = *std::min_element(workload.samples.begin(), workload.samples.end());
    if (workload.name == "drover") drover_ratio = value / first;
    std::printf("  %-22s %10.2f %s   least %10.2f   %5.2f times\n", workload.name.c_str(), value,
                comparison.unit.c_str(), least, value / first);
    rows.push_back({{"name", workload.name}, {"median", value}, {"least", least}, {"ratio", value / first}});
  }
  met = drover_ratio <= comparison.most_times_the_first;
  std::printf("  goal: drover at most %.2f times %s: %s\n\n", comparison.most_times_the_first,
              comparison.workloads[0].name.c_str(), met ? "met" : "MISSED");
  return {{"name", comparison.name},
          {"unit", comparison.unit},
          {"rounds", comparison.rounds},
          {"results", rows},
          {"goal", comparison.most_times_the_first},
          {"ratio", drover_ratio},
          {"met", met}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("bench_run FOLDER-OF-PROGRAMS DROVER FOLDER-OF-SOURCES JSON\n", stderr);
    return 2;
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  int met_count = 0;
  int missed_count = 0;
  for (Comparison& comparison : comparisons(argv[1], argv[2], argv[3])) {
    for (Workload& workload : comparison.workloads)
      run_once(workload, comparison.prints_its_number);  // warms the cache
    for (int round = 0; round < comparison.rounds; ++round) {
      for (Workload& workload : comparison.workloads) {
        workload.samples.push_back(run_once(workload, comparison.prints_its_number));
      }
    }
    bool met = false;
    all.push_back(report(comparison, met));
    (met ? met_count : missed_count)++;
  }
  std::ofstream(argv[4]) << all.dump(2) << "\n";
  std::printf("%d passed, %d failed\n", met_count, missed_count);
  return missed_count == 0 ? 0 : 1;
}
