// libvirt's errors as drover's: a stable code, a sentence, a hint where a person can do something.
// virError belongs to a thread: it is read on the thread of the failed call, before any other call.
// Tested by tests/bindings/virt/vir_error_test.cpp.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <string>
#include <string_view>

#include "host/base/error.h"

namespace drover::virt {

// The stable code of a libvirt error. The text decides where the number says too little: a full disk, a changed host
// key and a lost connection all come as "internal", "system" or "RPC" errors.
std::string_view stable_code(int number, std::string_view text);

// What a person can do about it, or "".
std::string hint_for(std::string_view code);

// libvirt's text without what it quotes of a document: passwords of displays stand in there.
std::string without_secrets(int number, std::string text);

// The error of the last failed call of this thread: "cannot <attempt>: <libvirt's text>".
// attempt: "start domain 'web'"; host: where; object: on what.
Error last_error(const std::string& attempt, const std::string& host, const std::string& object = "");

// The code alone, for callers that take one error as an answer (find_x).
std::string_view last_code();

// Errors reach callers by return value only; libvirt would also print each to standard error.
void silence_error_output();

// libvirt's client prints warnings to standard error too, between drover's lines: that this machine's name does not
// resolve, say. Only errors then, unless the environment says what libvirt is to log
// [https://libvirt.org/logging.html]. Called before there is a thread that may read the environment.
void silence_warnings();

}  // namespace drover::virt
