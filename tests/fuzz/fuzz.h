// What the libFuzzer targets share. A target calls the product with bytes that nobody wrote, and expects two things:
// what holds for every input, and that no exception leaves but drover's own error with its code and its sentence.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>
#include <stdio.h>
#include <stdlib.h>

#include <string>

#include "host/base/error.h"

namespace drover::fuzz {

using Data = FuzzedDataProvider;

// Ends the process, so that libFuzzer keeps the input.
inline void expect(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "does not hold: %s\n", what);
  abort();
}

// Whether the call went well. An error of drover's is an answer; everything else that is thrown is a fault.
template <class Call>
bool answers(Call call) {
  try {
    call();
    return true;
  } catch (const Error& error) {
    expect(!error.code.empty() && !error.message.empty(), "an error has a code and a sentence");
    return false;
  }
}

// Where folders in memory belong.
inline std::string memory_place() {
  const char* place = getenv("DROVER_FUZZ_FOLDER");
  return place != nullptr ? place : "/dev/shm";
}

inline std::string text(Data& data, size_t most) { return data.ConsumeRandomLengthString(most); }

}  // namespace drover::fuzz
