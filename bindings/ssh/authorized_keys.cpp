#include "bindings/ssh/authorized_keys.h"

#include <time.h>

#include <algorithm>

#include "host/base/error.h"

namespace drover::ssh {

namespace {

bool is_blank(char letter) { return letter == ' ' || letter == '\t'; }

std::string_view skip_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view drop_trailing(std::string_view text) {
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// Takes the next word off text.
std::string_view take_word(std::string_view& text) {
  size_t end = std::min(text.find_first_of(" \t"), text.size());
  std::string_view word = text.substr(0, end);
  text = skip_blanks(text.substr(end));
  return word;
}

// Takes the options off text as sshd does: blanks inside double quotes belong to them, and \" is a quote inside.
std::string_view take_options(std::string_view& text) {
  bool quoted = false;
  size_t end = 0;
  for (; end < text.size() && (quoted || !is_blank(text[end])); ++end) {
    if (text[end] == '\\' && end + 1 < text.size() && text[end + 1] == '"') {
      ++end;
    } else if (text[end] == '"') {
      quoted = !quoted;
    }
  }
  end = std::min(end, text.size());
  std::string_view options = text.substr(0, end);
  text = skip_blanks(text.substr(end));
  return options;
}

bool is_key_type(std::string_view word) {
  for (std::string_view start : {"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "rsa-"}) {
    if (word.substr(0, start.size()) == start) return true;
  }
  return false;
}

std::optional<AuthorizedLine> parse_line(std::string_view text) {
  AuthorizedLine line;
  text = skip_blanks(drop_trailing(text));
  if (text.empty() || text.front() == '#') return std::nullopt;
  std::string_view rest = text;
  std::string_view word = take_word(rest);
  if (!is_key_type(word)) {
    rest = text;
    line.options = take_options(rest);
    word = take_word(rest);
    if (!is_key_type(word)) return std::nullopt;
  }
  line.type = word;
  line.blob = take_word(rest);
  line.comment = rest;
  if (line.blob.empty()) return std::nullopt;
  return line;
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Error("ssh", "BAD_ARGUMENT", name + " of an authorized key " + why);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char letter) { return letter < ' ' || letter == 0x7f; });
}

// sshd knows one escape: \" for a quote. A backslash before a quote, or at the end, could not be read back.
std::string quoted_value(const std::string& name, const std::string& value) {
  if (has_control(value)) refuse(name, "holds a control character");
  std::string text = "\"";
  for (size_t i = 0; i < value.size(); ++i) {
    bool before_quote = i + 1 == value.size() || value[i + 1] == '"';
    if (value[i] == '\\' && before_quote) refuse(name, "holds a backslash before a quote, which sshd cannot read");
    if (value[i] == '"') text += '\\';
    text += value[i];
  }
  return text + "\"";
}

}  // namespace

std::vector<AuthorizedLine> parse_authorized_keys(std::string_view contents) {
  std::vector<AuthorizedLine> lines;
  for (size_t begin = 0; begin < contents.size();) {
    size_t newline = contents.find('\n', begin);
    size_t end = newline == contents.npos ? contents.size() : newline + 1;
    size_t text_end = newline == contents.npos ? end : newline;
    if (auto line = parse_line(contents.substr(begin, text_end - begin))) {
      line->begin = begin;
      line->end = end;
      lines.push_back(*line);
    }
    begin = end;
  }
  return lines;
}

AddedLine add_line(std::string_view contents, std::string_view line) {
  if (line.empty() || line.find_first_of(std::string_view("\r\n\0", 3)) != line.npos)
    refuse("the line", "is not one line");
  AddedLine result{std::string(contents), !contents.empty() && contents.back() != '\n'};
  if (result.added_newline) result.contents += '\n';
  result.contents.append(line).append("\n");
  return result;
}

RemovedLine remove_line(std::string_view contents, std::string_view blob, std::string_view mark, bool added_newline) {
  RemovedLine result;
  size_t kept = 0;
  for (const AuthorizedLine& line : parse_authorized_keys(contents)) {
    if (line.blob != blob || line.comment != mark) continue;
    size_t keep_until = line.begin;
    if (added_newline && line.end == contents.size() && keep_until > kept) --keep_until;
    result.contents.append(contents.substr(kept, keep_until - kept));
    kept = line.end;
    result.removed = true;
  }
  result.contents.append(contents.substr(kept));
  return result;
}

Presence find_line(std::string_view contents, std::string_view blob, std::string_view mark) {
  Presence presence = Presence::absent;
  for (const AuthorizedLine& line : parse_authorized_keys(contents)) {
    if (line.blob != blob) continue;
    if (line.comment == mark) return Presence::ours;
    presence = Presence::foreign;
  }
  return presence;
}

std::string format_options(const LineOptions& options) {
  std::vector<std::string> parts;
  if (options.restricted) parts.push_back("restrict");
  if (options.port_forwarding) {
    parts.push_back("port-forwarding");
    // port-forwarding alone would also let the key open listeners on the host (ssh -R). authorized_keys knows no
    // permitlisten="none" as sshd_config does, so one port that nobody uses is named [sshd(8)].
    if (options.restricted) parts.push_back("permitlisten=\"localhost:1\"");
  }
  if (!options.from.empty()) {
    const char* allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/,-_*?!%";
    if (options.from.find_first_not_of(allowed) != std::string::npos) refuse("from", "is no list of addresses");
    parts.push_back("from=\"" + options.from + "\"");
  }
  if (!options.expiry.empty()) {
    if (options.expiry.find_first_not_of("0123456789Z") != std::string::npos) refuse("expiry", "is no time");
    parts.push_back("expiry-time=\"" + options.expiry + "\"");
  }
  if (!options.command.empty()) parts.push_back("command=" + quoted_value("command", options.command));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string expiry_text(int64_t unix_time_s) {
  time_t minute = static_cast<time_t>((unix_time_s + 59) / 60 * 60);
  tm parts{};
  gmtime_r(&minute, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y%m%d%H%MZ", &parts);
  return text;
}

}  // namespace drover::ssh
