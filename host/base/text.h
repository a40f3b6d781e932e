// Small text helpers that several layers need: nearest name, joining, splitting, UTF-8 safe cutting.
// Tested by tests/base/text_test.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drover {

// The candidate that a person most likely meant, or "" when none is near (distance over a third of the word).
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

// "did you mean X?" or "" when nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

std::vector<std::string> split(std::string_view text, char separator);

std::string_view trim(std::string_view text);

}  // namespace drover
