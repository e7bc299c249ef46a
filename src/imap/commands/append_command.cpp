#include <algorithm>
#include <array>
#include <limits>

#include "imap/commands/change_support.hpp"
#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::uint64_t literal_minus_limit = 4096;  // RFC 7888 §5
/// RFC 3501 §4.3: the length of a literal has 32 bits. Only IMAP4rev2, which is never enabled here, has 63 bits.
constexpr std::uint64_t longest_literal = std::numeric_limits<std::uint32_t>::max();

Result<void> check_size(std::uint64_t size, const ServerTraits& traits) {
  if (size == 0) return fail(EINVAL, "an empty message cannot be appended");  // RFC 3502: it would cancel the command
  const auto limit = append_limit(traits.capabilities);
  if (limit && size > *limit) {
    return fail(EFBIG, "APPEND: the message has {} octets, the server takes {} at most", size, *limit);
  }
  if (size > longest_literal) return fail(EFBIG, "APPEND: a message of {} octets is too large for IMAP", size);
  return {};
}

/// A message whose beginning can be read before it is sent.
class PeekedSource final : public AppendSource {
 public:
  explicit PeekedSource(AppendSource& source) : source_(source) {}
  [[nodiscard]] std::uint64_t size() const override { return source_.size(); }
  Result<std::size_t> read(std::span<char> buffer) override {
    if (beginning_.empty()) return source_.read(buffer);
    const auto count = std::min(buffer.size(), beginning_.size());
    beginning_.copy(buffer.data(), count);
    beginning_.erase(0, count);
    return count;
  }

  /// RFC 6855 §4: a message with an 8-bit header must be sent in the UTF8 form once UTF8=ACCEPT is enabled. Only the
  /// beginning of a long header is checked.
  Result<bool> has_eight_bit_header() {
    constexpr std::size_t longest = 64 * 1024;
    std::array<char, 4096> piece;
    while (beginning_.size() < longest && beginning_.find("\r\n\r\n") == std::string::npos) {
      const auto count = IMAPFS_TRY(source_.read(piece));
      if (count == 0) break;
      beginning_.append(piece.data(), count);
    }
    const auto header = std::string_view(beginning_).substr(0, beginning_.find("\r\n\r\n"));
    return std::any_of(header.begin(), header.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  }

 private:
  AppendSource& source_;
  std::string beginning_;
};

/// Leaves out \Recent and other names with a backslash, which only the server may define (RFC 9051 §2.3.2).
Result<std::string> flags_text(FlagSet flags) {
  for (const auto& keyword : std::vector<std::string>(flags.keywords())) {
    if (keyword.starts_with('\\')) {
      flags.remove(keyword);
    } else if (!is_atom(keyword)) {
      return fail(EINVAL, "APPEND: \"{}\" is no keyword", telemetry::printable(keyword, 80));
    }
  }
  return flags.to_string();
}

}  // namespace

std::optional<std::uint64_t> append_limit(const Capabilities& capabilities) {
  constexpr std::string_view prefix = "APPENDLIMIT=";
  std::optional<std::uint64_t> limit;
  for (const auto& word : capabilities.words()) {
    if (!word.starts_with(prefix)) continue;
    const auto value = parse_number(std::string_view(word).substr(prefix.size()));
    if (value && (!limit || *value < *limit)) limit = value;
  }
  return limit;
}

Result<AppendedMessage> ImapSession::append(const AppendRequest& request, AppendSource& source,
                                            const CallContext& context) {
  const auto size = source.size();
  IMAPFS_TRY(check_size(size, login_.traits));
  auto line = command("APPEND");
  line.string(on_wire(request.mailbox));
  if (const auto flags = IMAPFS_TRY(flags_text(request.flags)); !flags.empty()) line.word('(' + flags + ')');
  if (request.internal_date) {
    // A date that IMAP cannot express is no reason to refuse a message: it gets the time of its arrival.
    if (const auto date = format_internal_date(*request.internal_date)) line.word('"' + *date + '"');
  }
  PeekedSource peeked(source);
  const bool utf8 = login_.utf8 && IMAPFS_TRY(peeked.has_eight_bit_header());
  const bool waits = !has("LITERAL+") && !(has("LITERAL-") && size <= literal_minus_limit);
  AppendedMessage appended;
  const auto note = [&](const Answer& answer) {
    if (answer.code == "APPENDUID") appended = parse_append_uid(answer.code_data);
  };
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("OK")) note(parse_status_text(Answer::Kind::ok, reader.rest()));
    return false;
  };
  auto& channel = connection_->channel;
  if (auto usable = channel.usable(); !usable) return fail(not_again_by_itself(std::move(usable).error()));
  const ChangeUnderWay under_way(channel.transport());
  StreamedLiteral literal(peeked, waits, utf8);
  auto answer = connection_->runner.run(line, literal, bounded_news(handler, selection_.state().messages), context);
  if (!answer) {
    return fail(outcome_of_change(std::move(answer).error(), "APPEND"));
  }
  note(*answer);
  return appended;
}

}  // namespace imapfs::imap
