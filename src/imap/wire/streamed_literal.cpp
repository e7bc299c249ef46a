#include "imap/wire/streamed_literal.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace imapfs::imap {
namespace {

constexpr std::size_t piece_size = 64 * 1024;
/// Reads a source piece by piece and checks that it has size() bytes.
class PieceReader {
 public:
  explicit PieceReader(AppendSource& source)
      : source_(source), left_(source.size()),
        buffer_(static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_size))) {}

  [[nodiscard]] bool complete() const { return left_ == 0; }

  Result<std::string_view> next() {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer_.size()));
    const auto count = IMAPFS_TRY(source_.read({buffer_.data(), wanted}));
    if (count == 0 || count > wanted) {
      return fail(EIO, "the message ended {} octets before the size it was announced with", left_);
    }
    left_ -= count;
    return std::string_view(buffer_.data(), count);
  }

  /// Called when complete: bytes beyond the announced size would have been cut off.
  Result<void> check_end() {
    char one_more = 0;
    if (IMAPFS_TRY(source_.read({&one_more, 1})) == 0) return {};
    return fail(EIO, "the message is longer than the size it was announced with");
  }

 private:
  AppendSource& source_;
  std::uint64_t left_;
  std::vector<char> buffer_;
};

/// The Error for a source that does not deliver the promised bytes.
Error source_failed(Error error) {
  error.scope = Scope::session;
  error.retry = Retry::later;
  return error;
}

/// Handles what the server has sent while the literal is sent: it may have refused, or may not read on before we read.
/// (With COMPRESS nothing is noticed before the end.)
Result<std::optional<Answer>> early_answer(CommandChannel& channel, const UntaggedHandler& handler,
                                           const CallContext& context) {
  while (channel.reader().wait(CallContext{context.stop, SteadyClock::now()})) {
    const auto response = IMAPFS_TRY(channel.next_response());
    if (response.kind == Response::Kind::untagged) IMAPFS_TRY(channel.take_untagged(response, handler));
    else if (response.kind == Response::Kind::tagged)
      return std::optional(IMAPFS_TRY(early_refusal(channel, response)));
    else IMAPFS_TRY(channel.finish());
  }
  return std::optional<Answer>();
}

}  // namespace

std::string StreamedLiteral::announcement() const {
  return fmt::format(" {}{{{}{}}}\r\n", utf8_ ? "UTF8 (~" : "", source_.size(), synchronising_ ? "" : "+");
}

Result<std::optional<Answer>> StreamedLiteral::send(CommandChannel& channel, const UntaggedHandler& handler,
                                                    const CallContext& context) {
  std::optional<Answer> answer;
  PieceReader pieces(source_);
  while (!pieces.complete()) {
    const auto piece = pieces.next();
    if (!piece) return fail(channel.broken_by(source_failed(piece.error())));
    // Check the end of the source before its last byte is sent: a complete message cannot be taken back.
    if (auto ended = pieces.complete() ? pieces.check_end() : Result<void>(); !ended) {
      return fail(channel.broken_by(source_failed(std::move(ended).error())));
    }
    if (auto written = channel.write(*piece, context); !written) {
      // A server that has refused may close the connection (RFC 7888 §4): its answer says more than the write error.
      if (answer) return answer;
      return fail(std::move(written).error());
    }
    if (!answer) answer = IMAPFS_TRY(early_answer(channel, handler, context));
  }
  if (auto written = channel.write(utf8_ ? ")\r\n" : "\r\n", context); !written && !answer)
    return fail(std::move(written).error());
  return answer;
}

}  // namespace imapfs::imap
