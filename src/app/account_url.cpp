// imaps://[USER@]HOST[:PORT], with errors that say what to write instead. A password that is found is never repeated.
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "app/option_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::app {
namespace {

constexpr std::size_t longest_url = 2048;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool is_control(char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t position = 0; position < text.size(); ++position) {
    if (text[position] != '%') {
      decoded += text[position];
      continue;
    }
    if (position + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[position + 1]);
    const int low = hex_value(text[position + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    position += 2;
  }
  return decoded;
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
  });
  return lowered;
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

Result<std::string> parse_user(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    return fail(
        EINVAL,
        "a password in the address can be seen by every user of this machine: leave it out and use password-file, "
        "password-command, netrc or the prompt (a ':' that belongs to the user name is written %3A)");
  }
  if (text.find(';') != std::string_view::npos)
    return fail(EINVAL, "parameters such as ;AUTH= are not supported in the address");
  const auto user = percent_decode(text);
  if (!user)
    return fail(EINVAL, "the user name in the address has a '%' that is not followed by two hexadecimal digits");
  if (user->empty()) return fail(EINVAL, "the user name in the address is empty");
  if (std::any_of(user->begin(), user->end(), is_control))
    return fail(EINVAL, "the user name in the address holds a control character");
  return *user;
}

/// Splits HOST[:PORT]; `port` stays empty where there is none.
Result<std::string> parse_host(std::string_view text, std::optional<std::string_view>& port) {
  std::string host;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(EINVAL, "the IPv6 address lacks its ']'");
    host = lower(text.substr(1, end - 1));
    if (const auto zone = host.find("%25"); zone != std::string::npos) host.replace(zone, 3, "%");  // RFC 6874
    if (!is_ipv6(host)) return fail(EINVAL, "\"{}\" is not an IPv6 address", telemetry::printable(host));
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return fail(EINVAL, "unexpected text after the IPv6 address");
    if (!text.empty()) port = text.substr(1);
    return host;
  }
  const std::size_t colon = text.find(':');
  if (colon != text.rfind(':')) return fail(EINVAL, "an IPv6 address is written in brackets: imaps://[2001:db8::1]");
  host = lower(text.substr(0, colon));
  if (colon != std::string_view::npos) port = text.substr(colon + 1);
  if (host.empty()) return fail(EINVAL, "the address names no host");
  const auto allowed = [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '.' ||
           character == '-' || character == '_' || static_cast<unsigned char>(character) >= 0x80;
  };
  if (host.size() > 253 || host.front() == '-' || !std::all_of(host.begin(), host.end(), allowed)) {
    return fail(EINVAL, "\"{}\" is not a host name", telemetry::printable(host));
  }
  return host;
}

}  // namespace

std::uint16_t default_port(bool implicit_tls) { return implicit_tls ? 993 : 143; }

Result<AccountUrl> parse_url(std::string_view text) {
  AccountUrl url;
  const std::size_t scheme_end = text.find("://");
  const std::string scheme = lower(text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end));
  if (text.size() > longest_url) return fail(EINVAL, "the address is too long");
  if (scheme != "imaps" && scheme != "imap") {
    return fail(
        EINVAL,
        "the address must begin with imaps:// (TLS) or imap:// (STARTTLS), for example imaps://anna@mail.example.org");
  }
  url.implicit_tls = scheme == "imaps";
  text.remove_prefix(scheme_end + 3);

  // The user may hold '/' only as %2F, so the path begins at the first one.
  const std::size_t path = text.find_first_of("/?#");
  if (path != std::string_view::npos && text.substr(path) != "/") {
    return fail(EINVAL, "the address ends after the host and port: the mount shows the whole account");
  }
  std::string_view authority = text.substr(0, path);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    url.user = IMAPFS_TRY(parse_user(authority.substr(0, at)));
    authority.remove_prefix(at + 1);
  }
  std::optional<std::string_view> port;
  url.host = IMAPFS_TRY(parse_host(authority, port));
  url.port = default_port(url.implicit_tls);
  if (port) {
    const auto number = parse_number(*port, 1, 65535);
    // Not repeated: what stands where a port should may be a password.
    if (!number) return fail(EINVAL, "the port in the address is not a number between 1 and 65535");
    url.port = static_cast<std::uint16_t>(*number);
  }
  return url;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char character : text) {
    const bool plain = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
                       (character >= '0' && character <= '9') ||
                       std::string_view("-._~+@").find(character) != std::string_view::npos;
    if (plain) {
      encoded += character;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(character));
    }
  }
  return encoded;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace imapfs::app
