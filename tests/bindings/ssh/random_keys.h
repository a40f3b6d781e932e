// authorized_keys as people, tools and accidents leave them, from a seed: the same one every time unless $DROVER_SEED
// names another. A test says the seed when it fails.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace drover::ssh::test {

class RandomKeys {
 public:
  RandomKeys() : seed_(chosen_seed()), random_(seed_) {}

  unsigned long seed() const { return seed_; }
  unsigned below(size_t limit) { return static_cast<unsigned>(random_() % limit); }

  std::string bytes(size_t size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text += static_cast<char>(random_());
    return text;
  }

  // "ssh-ed25519 AAAA...", a key that nobody has the other half of [RFC 8709, section 4].
  std::string key_line() {
    return "ssh-ed25519 " + base64(std::string("\0\0\0\x0bssh-ed25519\0\0\0\x20", 19) + bytes(32));
  }

  // What every file may have besides: the run's own key under other names, and its mark on other keys.
  void mention(const std::string& blob, const std::string& mark) {
    own_ = {"ssh-ed25519 " + blob + " somebody else",
            "ssh-ed25519 " + blob + " " + mark + " and more",
            "ssh-ed25519 " + blob,
            "# a comment with ssh-ed25519 " + blob + " " + mark,
            "command=\"never closed ssh-ed25519 " + blob + " " + mark,
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI0 " + mark,
            "ssh-rsa " + blob + "= " + mark};
  }

  std::string line() {
    static const std::vector<std::string> common{
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 admin@example.org",
        "from=\"10.0.0.0/8\",command=\"echo 'a b' # \\\"x\\\"\" ssh-rsa AAAAB3Nza x",
        "no-pty,environment=\"A=\\\"b c\\\"\" ecdsa-sha2-nistp256 AAAAE2Vj two  blanks\t",
        "cert-authority,principals=\"root\" ssh-ed25519 AAAAC3Nza authority",
        "sk-ssh-ed25519@openssh.com AAAAGnNr token",
        "restrict,expiry-time=\"20200101Z\" ssh-ed25519 AAAAC3Nza long over",
        "command=\"never closed",
        "  \t ",
        "",
        "# a comment",
        "#",
        "garbage",
        "ssh-rsa",
        "\r",
        "\"",
        "\\",
    };
    switch (below(12)) {
      case 0:
        return bytes(below(40));
      case 1:
        return std::string(below(200) == 0 ? 20000 : below(300), static_cast<char>('!' + below(90)));
      case 2:
      case 3:
        return own_.empty() ? "" : own_[below(own_.size())];
      default:
        return common[below(common.size())];
    }
  }

  std::string file() {
    static const char* endings[] = {"\n", "\n", "\n", "\r\n", "\n\n", "\r"};
    std::string contents = below(30) == 0 ? "\xef\xbb\xbf" : "", previous;
    const char* ending = endings[below(std::size(endings))];
    unsigned lines = below(9);
    for (unsigned i = 0; i < lines; ++i) {
      std::string text = i > 0 && below(5) == 0 ? previous : line();  // duplicates
      contents += text;
      if (i + 1 < lines || below(3) != 0) contents += below(20) == 0 ? endings[below(std::size(endings))] : ending;
      previous = std::move(text);
    }
    return contents;
  }

 private:
  static unsigned long chosen_seed() {
    const char* text = std::getenv("DROVER_SEED");
    return text != nullptr ? std::strtoul(text, nullptr, 10) : 20240501;
  }

  static std::string base64(const std::string& data) {
    static const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t i = 0; i < data.size(); i += 3) {
      uint32_t value = 0;
      for (size_t j = 0; j < 3; ++j) {
        value = value << 8 | (i + j < data.size() ? static_cast<unsigned char>(data[i + j]) : 0U);
      }
      for (size_t j = 0; j < 4; ++j) text += i + j > data.size() ? '=' : letters[value >> (18 - 6 * j) & 63];
    }
    return text;
  }

  unsigned long seed_;
  std::mt19937 random_;
  std::vector<std::string> own_;
};

}  // namespace drover::ssh::test
