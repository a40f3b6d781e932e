// A machine that answers programs from a script and keeps what it was asked: for unit tests of code over core::Machine.
#pragma once

#include <functional>

#include "bindings/core/machine.h"
#include "host/base/text.h"

namespace drover::tests {

class FakeMachine : public core::Machine {
 public:
  // What a program answers. The first rule whose text is part of the joined argv counts; without one it exits with 127.
  void answer(const std::string& part, core::ExecResult result) { answers_.emplace_back(part, std::move(result)); }
  void answer(const std::string& part, const std::string& output) { answer(part, core::ExecResult{0, "", output, ""}); }
  void refuse(const std::string& part, int exit_code, const std::string& errors) {
    answer(part, core::ExecResult{exit_code, "", "", errors});
  }

  const std::string& name() const override { return name_; }
  bool is_local() const override { return false; }
  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken&) override {
    std::string line = join(request.argv, " ");
    asked.push_back(line);
    inputs.push_back(request.input);
    for (const auto& [part, result] : answers_) {
      if (line.find(part) != std::string::npos) return result;
    }
    return {127, "", "", "no answer for: " + line};
  }
  std::string read_file(const std::string& path, size_t, core::CancelToken&) override {
    throw Error("host", "NO_FILE", path);
  }
  void write_file(const std::string&, const std::string&, uint32_t, core::CancelToken&) override {}
  std::optional<core::FileInfo> stat_file(const std::string&, core::CancelToken&) override { return std::nullopt; }

  std::vector<std::string> asked;   // argv, joined
  std::vector<std::string> inputs;  // standard input of each

 private:
  std::string name_ = "kvm1";
  std::vector<std::pair<std::string, core::ExecResult>> answers_;
};

}  // namespace drover::tests
