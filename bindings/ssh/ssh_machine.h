// A machine over SSH: programs and whole files of a host. Files go through constant programs and not through SFTP,
// which a host may have turned off; every byte passes, sizes are checked, and a broken connection leaves the old file.
// Tested by tests/bindings/ssh/ssh_machine_test.cpp against a private sshd.
#pragma once

#include "bindings/core/machine.h"
#include "bindings/ssh/connection_pool.h"

namespace drover::ssh {

class SshMachine : public core::Machine {
 public:
  // Connects and logs in.
  static std::shared_ptr<SshMachine> connect(const ConnectOptions& options, core::CancelToken& token);

  const std::string& name() const override { return pool_->host().name; }
  bool is_local() const override { return false; }
  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken& token) override;
  std::string read_file(const std::string& path, size_t most_bytes, core::CancelToken& token) override;
  void write_file(const std::string& path, const std::string& data, uint32_t mode, core::CancelToken& token) override;
  std::optional<core::FileInfo> stat_file(const std::string& path, core::CancelToken& token) override;

  void close() { pool_->close(); }
  const HostConfig& host() const { return pool_->host(); }
  ConnectionPool& pool() { return *pool_; }

 private:
  explicit SshMachine(std::shared_ptr<ConnectionPool> pool) : pool_(std::move(pool)) {}
  core::ExecResult run(std::vector<std::string> argv, std::string input, size_t most_bytes, core::CancelToken& token);
  Error file_error(const core::ExecResult& result, const std::string& verb, const std::string& path) const;

  std::shared_ptr<ConnectionPool> pool_;
};

}  // namespace drover::ssh
