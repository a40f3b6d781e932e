// Logging in. Each way that was tried is written down, because "permission denied" alone does not help anybody.
// No secret is in an error: key files are named, passwords are not shown, and libssh's log is off.
// Tested by tests/bindings/ssh/session_test.cpp.
#include <sys/stat.h>

#include <cstdlib>
#include <functional>

#include "bindings/ssh/session.h"
#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

constexpr int64_t answer_timeout_ms = 30000;

class Login {
 public:
  Login(const Session& session, const HostConfig& host, ConnectOptions& options, core::CancelToken& token)
      : session_(session), host_(host), options_(options), token_(token) {}

  void run() {
    if (step([this] { return ssh_userauth_none(session_.get(), nullptr); })) return;
    int methods = ssh_userauth_list(session_.get(), nullptr);
    if (methods & SSH_AUTH_METHOD_PUBLICKEY) {
      if (!host_.identities_first && try_agent()) return;
      for (const std::string& file : host_.identity_files) {
        if (try_file(file)) return;
      }
      if (host_.identities_first && try_agent()) return;
    }
    if (try_password(methods)) return;
    throw failure();
  }

 private:
  // True when logged in; false when this way was refused.
  bool step(const std::function<int()>& call) {
    int result = drive(session_, host_, SSH_AUTH_AGAIN, answer_timeout_ms, token_, call);
    if (result == SSH_AUTH_SUCCESS) return true;
    // A server drops the connection after a few keys (MaxAuthTries, sshd_config(5)).
    if (result == SSH_AUTH_ERROR && (ssh_get_status(session_.get()) & (SSH_CLOSED | SSH_CLOSED_ERROR))) {
      tried_.push_back("then the server closed the connection");
      throw failure();
    }
    return false;
  }

  bool try_agent() {
    const char* inherited = getenv("SSH_AUTH_SOCK");
    std::string socket = !host_.identity_agent.empty() ? host_.identity_agent : inherited != nullptr ? inherited : "";
    struct stat info {};
    if (socket == "none" || socket.empty() || stat(socket.c_str(), &info) != 0) return false;
    tried_.push_back("the agent's keys");
    return step([this] { return ssh_userauth_agent(session_.get(), nullptr); });
  }

  bool try_file(const std::string& file) {
    struct stat info {};
    if (stat(file.c_str(), &info) != 0) {
      // The usual names mostly do not exist; one that was asked for should.
      if (host_.identities_first) tried_.push_back(file + " (no such file)");
      return false;
    }
    if ((info.st_mode & 077) != 0) {
      tried_.push_back(file + " (not used: others may read it)");
      return false;
    }
    ssh_key key = nullptr;
    auto no_passphrase = [](const char*, char*, size_t, int, int, void*) { return -1; };
    if (ssh_pki_import_privkey_file(file.c_str(), nullptr, no_passphrase, nullptr, &key) != SSH_OK) {
      tried_.push_back(file + " (unreadable, or it has a passphrase: ssh-add it)");
      return false;
    }
    KeyRef owner(key);
    tried_.push_back(file);
    return step([this, key] { return ssh_userauth_publickey(session_.get(), nullptr, key); });
  }

  bool try_password(int methods) {
    if (!(methods & (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE))) return false;
    if (!options_.password && options_.ask_password) {
      options_.password = ask_on_terminal("Password of " + host_.user + " on " + host_.host + ": ", token_);
    }
    if (!options_.password) return false;
    tried_.push_back("the password");
    if (methods & SSH_AUTH_METHOD_PASSWORD) {
      return step([this] { return ssh_userauth_password(session_.get(), nullptr, options_.password->c_str()); });
    }
    return try_interactive();
  }

  // The password in reply to one question without echo, which is what PAM asks.
  bool try_interactive() {
    auto ask = [this] {
      return drive(session_, host_, SSH_AUTH_AGAIN, answer_timeout_ms, token_,
                   [this] { return ssh_userauth_kbdint(session_.get(), nullptr, nullptr); });
    };
    bool answered = false;
    int result = ask();
    for (int round = 0; round < 3 && result == SSH_AUTH_INFO; ++round) {
      int prompts = ssh_userauth_kbdint_getnprompts(session_.get());
      if (prompts > 1 || (prompts == 1 && answered)) return false;
      char echo = 0;
      if (prompts == 1) {
        ssh_userauth_kbdint_getprompt(session_.get(), 0, &echo);
        if (echo) return false;
        ssh_userauth_kbdint_setanswer(session_.get(), 0, options_.password->c_str());
        answered = true;
      }
      result = ask();
    }
    return result == SSH_AUTH_SUCCESS;
  }

  Error failure() const {
    std::string list = tried_.empty() ? "there was nothing to try" : "tried " + join(tried_, ", ");
    return Error("ssh", "AUTH_FAILED", host_.user + "@" + host_.host + " refuses the login: " + list)
        .on_host(host_.name)
        .with_native(ssh_get_error(session_.get()))
        .with_hint("ssh-copy-id " + host_.target + ", or ssh-add your key, or name it in ~/.ssh/config (IdentityFile)");
  }

  const Session& session_;
  const HostConfig& host_;
  ConnectOptions& options_;
  core::CancelToken& token_;
  std::vector<std::string> tried_;
};

}  // namespace

void authenticate(const Session& session, const HostConfig& host, ConnectOptions& options, core::CancelToken& token) {
  Login(session, host, options, token).run();
}

}  // namespace drover::ssh
