#pragma once
// Values of options: from text to checked numbers, sizes, durations and addresses. Errors say what the text is not; the
// caller adds the option's name.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/imap/compression_choice.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/sync_settings.hpp"

namespace imapfs::app {

/// Decimal digits only, within the bounds.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most);
/// "540", "540s", "9m", "2h".
Result<std::chrono::seconds> parse_seconds(std::string_view text, std::chrono::seconds least,
                                           std::chrono::seconds most);
/// "1G", "512M", "1073741824", "1GiB": powers of 1024.
Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t least);
/// Octal, at most 0777.
Result<mode_t> parse_umask(std::string_view text);
/// A path made absolute, since the daemon leaves the working directory.
Result<std::string> parse_path(std::string_view text);

/// "auto", "flag", "trash", "expunge".
Result<sync::RemovalPolicy> parse_removal(std::string_view text);
[[nodiscard]] std::string_view to_string(sync::RemovalPolicy policy);
/// "auto", "yes", "no".
Result<imap::CompressionMode> parse_compression(std::string_view text);
[[nodiscard]] std::string_view to_string(imap::CompressionMode mode);
/// "\Seen", "\Seen+$Label", "\Seen $Label": flags that a client may give to a new message.
Result<FlagSet> parse_append_flags(std::string_view text);

/// An account's address: imaps://[USER@]HOST[:PORT] or imap://….
struct AccountUrl {
  bool implicit_tls = true;
  std::string user;  ///< decoded; empty: not given
  std::string host;  ///< without brackets, ASCII letters in lower case
  std::uint16_t port = 993;
};
Result<AccountUrl> parse_url(std::string_view url);
std::uint16_t default_port(bool implicit_tls);
/// RFC 3986 §2.1 for the user part.
std::string percent_encode(std::string_view text);
/// localhost, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view host);

/// "a=1,b=x\,y" at its unescaped commas, escapes removed; empty items dropped.
std::vector<std::string> split_mount_options(std::string_view text);
/// The candidate that `word` is most likely a misspelling of; empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace imapfs::app
