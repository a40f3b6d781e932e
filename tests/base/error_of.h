// The error of a call that is expected to fail.
#pragma once

#include <string>
#include <utility>

#include "host/base/error.h"

namespace drover::tests {

// An error without a code when the call went well.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return {"test", "", "nothing was thrown"};
}

// Its code, "" when the call went well; the whole of it goes to `caught`.
template <class Body>
std::string code_of(Body&& body, Error* caught = nullptr) {
  Error error = error_of(std::forward<Body>(body));
  if (caught != nullptr && !error.code.empty()) *caught = error;
  return error.code;
}

}  // namespace drover::tests
