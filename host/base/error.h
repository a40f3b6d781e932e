// The error that every layer throws: a value with a kind (domain, code) and a sentence for a person.
// The Lua edge turns it into an error object of the same field names (bindings/core/error_object.h).
// Tested by tests/base/error_test.cpp.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace drover {

struct Error : public std::exception {
  // domain: who failed (virt, ssh, firewall, host, xml, playbook, usage, ...); code: stable, UPPER_CASE.
  Error(std::string domain_name, std::string code_name, std::string text)
      : domain(std::move(domain_name)), code(std::move(code_name)), message(std::move(text)) {}

  const char* what() const noexcept override { return message.c_str(); }

  Error& on_host(std::string name) { return set(host, std::move(name)); }
  Error& on_object(std::string name) { return set(object, std::move(name)); }
  Error& during(std::string operation) { return set(op, std::move(operation)); }
  Error& with_hint(std::string text) { return set(hint, std::move(text)); }
  Error& with_native(std::string text) { return set(native, std::move(text)); }
  Error& because(const Error& reason) {
    cause = std::make_shared<Error>(reason);
    return *this;
  }

  std::string domain;
  std::string code;
  std::string message;
  std::string native;  // the library's own number and text, for -v
  std::string op;      // what was tried: "virt.connect"
  std::string host;    // on which host
  std::string object;  // on what: a domain, a file, a rule
  std::string hint;    // what to do now
  std::shared_ptr<Error> cause;

 private:
  Error& set(std::string& field, std::string value) {
    field = std::move(value);
    return *this;
  }
};

// The error of anything that was stopped on request; it passes through pcall in scripts.
Error cancelled_error(const std::string& operation);

}  // namespace drover
