// Declares every command with its options; what a command does is stdlib/command/NAME.lua.
// Tested by tests/transcripts/help.in and tests/transcripts/manual_test.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace drover {

class Commands {
 public:
  using Dispatch = std::function<void(const std::string& command, nlohmann::ordered_json request)>;

  Commands(CLI::App& app, Dispatch dispatch);

 private:
  CLI::App* add(const std::string& name, const std::string& summary);

  CLI::App& app_;
  Dispatch dispatch_;
  // Where CLI11 puts what it read; one set is enough, for one command runs.
  std::string first_;
  std::string second_;
  std::vector<std::string> rest_;
  std::string from_;
  std::vector<std::string> fenced_;
  bool html_ = false;
  bool act_ = false;
  bool plan_ = false;
  bool keep_ = false;
};

}  // namespace drover
