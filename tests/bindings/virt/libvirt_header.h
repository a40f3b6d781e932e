// Names that libvirt's own header defines, for tests that prove a table complete.
#pragma once

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

inline std::string libvirt_domain_header() {
  std::ifstream file("/usr/include/libvirt/libvirt-domain.h");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// All matches of the first group of the pattern.
inline std::set<std::string> names_in_header(const std::string& pattern) {
  std::set<std::string> names;
  std::string header = libvirt_domain_header();
  std::regex expression(pattern);
  for (std::sregex_iterator match(header.begin(), header.end(), expression), end; match != end; ++match) {
    names.insert((*match)[1]);
  }
  return names;
}
