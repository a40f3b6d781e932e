// OpenSSH's own format of an RSA private key, from the PKCS#8 that libssh 0.10 exports for RSA.
// Formats: PKCS#8 is RFC 5208 with the RSAPrivateKey of RFC 8017 inside; OpenSSH's is PROTOCOL.key of OpenSSH.
// Every buffer here holds the key and is wiped. Tested by tests/bindings/ssh/key_pair_test.cpp through ssh-keygen.
#include <random>
#include <vector>

#include "bindings/ssh/key_pair.h"
#include "host/base/error.h"

namespace drover::ssh {

namespace {

constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr const char* magic = "openssh-key-v1";
constexpr size_t columns = 70;
constexpr size_t block_bytes = 8;  // of the cipher "none"

Error malformed() { return Error("ssh", "FAILED", "libssh gave a private key in a form that drover does not know"); }

std::string decode_base64(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char letter : text) {
    size_t value = std::string_view(letters).find(letter);
    if (value == std::string_view::npos) continue;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return bytes;
}

std::string encode_base64(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? letters[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return text;
}

// The next element of DER at `at`, which moves behind it; its tag must be the expected one.
std::string_view read_element(std::string_view der, size_t& at, unsigned char tag) {
  if (at + 2 > der.size() || static_cast<unsigned char>(der[at]) != tag) throw malformed();
  size_t size = static_cast<unsigned char>(der[at + 1]);
  at += 2;
  if (size & 0x80) {
    size_t bytes = size & 0x7f;
    if (bytes > 4 || at + bytes > der.size()) throw malformed();
    size = 0;
    for (size_t i = 0; i < bytes; ++i) size = (size << 8) | static_cast<unsigned char>(der[at++]);
  }
  if (size > der.size() - at) throw malformed();
  at += size;
  return der.substr(at - size, size);
}

constexpr unsigned char integer_tag = 0x02, octets_tag = 0x04, sequence_tag = 0x30;

void put_number(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

// A string of the SSH wire format; an integer of DER is an mpint as it stands (both two's complement, big endian).
void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

}  // namespace

std::string rsa_to_openssh(std::string_view pem, const std::string& comment) {
  std::string_view head = "-----BEGIN PRIVATE KEY-----";
  size_t begin = pem.find(head), end = pem.find("-----END");
  if (begin == pem.npos || end == pem.npos) throw malformed();
  std::string der = decode_base64(pem.substr(begin + head.size(), end - begin - head.size()));
  WipeOnExit wipe_der(der);

  size_t at = 0;
  std::string_view outer = read_element(der, at, sequence_tag);
  at = 0;
  read_element(outer, at, integer_tag);   // version
  read_element(outer, at, sequence_tag);  // algorithm
  std::string_view octets = read_element(outer, at, octets_tag);
  at = 0;
  std::string_view rsa = read_element(octets, at, sequence_tag);
  at = 0;
  std::vector<std::string_view> numbers;  // version, n, e, d, p, q, d mod p-1, d mod q-1, q^-1 mod p
  while (numbers.size() < 9) numbers.push_back(read_element(rsa, at, integer_tag));

  std::string shown;
  put_text(shown, "ssh-rsa");
  put_text(shown, numbers[2]);
  put_text(shown, numbers[1]);

  std::string secret;
  WipeOnExit wipe_secret(secret);
  secret.reserve(der.size() + 256);  // growing would leave copies behind
  uint32_t check = std::random_device()();
  put_number(secret, check);
  put_number(secret, check);
  put_text(secret, "ssh-rsa");
  for (int index : {1, 2, 3, 8, 4, 5}) put_text(secret, numbers[static_cast<size_t>(index)]);
  put_text(secret, comment);
  for (char padding = 1; secret.size() % block_bytes != 0; ++padding) secret += padding;

  std::string whole(magic, strlen(magic) + 1);  // with its NUL
  WipeOnExit wipe_whole(whole);
  whole.reserve(secret.size() + shown.size() + 128);
  put_text(whole, "none");
  put_text(whole, "none");
  put_text(whole, "");
  put_number(whole, 1);
  put_text(whole, shown);
  put_text(whole, secret);

  std::string encoded = encode_base64(whole);
  WipeOnExit wipe_encoded(encoded);
  std::string text = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  text.reserve(encoded.size() * 2);
  for (size_t i = 0; i < encoded.size(); i += columns) text += encoded.substr(i, columns) + "\n";
  text += "-----END OPENSSH PRIVATE KEY-----\n";
  return text;
}

}  // namespace drover::ssh
