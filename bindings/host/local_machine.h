// The machine that drover itself runs on, behind the same seam as one over SSH (bindings/core/machine.h).
// Nothing is cached: every member asks the system. Tested by tests/bindings/host/local_machine_test.cpp.
#pragma once

#include "bindings/core/machine.h"

namespace drover::host {

class LocalMachine : public core::Machine {
 public:
  explicit LocalMachine(std::string name = "localhost") : name_(std::move(name)) {}

  const std::string& name() const override { return name_; }
  bool is_local() const override { return true; }
  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken& token) override;
  std::string read_file(const std::string& path, size_t most_bytes, core::CancelToken& token) override;
  void write_file(const std::string& path, const std::string& data, uint32_t mode, core::CancelToken& token) override;
  std::optional<core::FileInfo> stat_file(const std::string& path, core::CancelToken& token) override;

 private:
  Error file_error(const std::string& what, const std::string& path, int number) const;
  void refuse_nul(const std::string& path) const;
  void write_and_sync(int fd, const std::string& path, const std::string& data) const;

  std::string name_;
};

}  // namespace drover::host
