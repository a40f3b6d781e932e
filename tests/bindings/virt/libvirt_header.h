// Names that libvirt's own header defines, for tests that prove a table complete.
#pragma once

#include <regex.h>

#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

inline std::string libvirt_domain_header() {
  std::ifstream file("/usr/include/libvirt/libvirt-domain.h");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// All matches of the first group of the pattern, an extended regular expression. Not std::regex: with sanitizers g++ 12
// warns inside it.
inline std::set<std::string> names_in_header(const std::string& pattern) {
  std::set<std::string> names;
  std::string header = libvirt_domain_header();
  regex_t expression;
  if (regcomp(&expression, pattern.c_str(), REG_EXTENDED) != 0) throw std::invalid_argument(pattern);
  regmatch_t groups[2];
  for (const char* rest = header.c_str(); regexec(&expression, rest, 2, groups, 0) == 0; rest += groups[0].rm_eo) {
    names.emplace(rest + groups[1].rm_so, rest + groups[1].rm_eo);
  }
  regfree(&expression);
  return names;
}
