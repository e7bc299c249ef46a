#include <algorithm>
#include <utility>
#include <vector>

#include "imap/wire/command_channel.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t piece_size = 64 * 1024;
/// Reads a source piece by piece and holds it to its promise of size().
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

  /// To be called when complete: more than was announced would have been cut off.
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

/// The server has been promised octets that do not come.
Error source_failed(Error error) {
  error.scope = Scope::session;
  error.retry = Retry::later;
  return error;
}

}  // namespace

Result<Answer> CommandChannel::run(const CommandLine& command, const StreamedLiteral& literal,
                                   const UntaggedHandler& handler, const CallContext& context) {
  IMAPFS_TRY(usable());
  IMAPFS_TRY(command.check());
  IMAPFS_TRY(context.check());
  begin(context);
  std::string pending;
  auto answer = IMAPFS_TRY(send_up_to_end(command, handler, pending, context));
  if (!answer) answer = IMAPFS_TRY(stream(literal, std::move(pending), handler, context));
  return await_answer(command, std::move(answer), handler);
}

/// Sends the rest of the command with the literal and the line's end. The answer if the server did not wait for it.
Result<std::optional<Answer>> CommandChannel::stream(const StreamedLiteral& literal, std::string announcement,
                                                     const UntaggedHandler& handler, const CallContext& context) {
  announcement += fmt::format(" {}{{{}{}}}\r\n", literal.utf8 ? "UTF8 (~" : "", literal.source.size(),
                              literal.synchronising ? "" : "+");
  if (literal.synchronising) {
    if (auto refused = IMAPFS_TRY(ask_for_literal(announcement, handler, context))) return refused;
  } else {
    IMAPFS_TRY(write(announcement, context));
  }
  std::optional<Answer> answer;
  PieceReader pieces(literal.source);
  while (!pieces.complete()) {
    const auto piece = pieces.next();
    if (!piece) return fail(broken_by(source_failed(piece.error())));
    // The end of the source must be known before its last octet is out: what is complete cannot be taken back.
    if (auto ended = pieces.complete() ? pieces.check_end() : Result<void>(); !ended) {
      return fail(broken_by(source_failed(std::move(ended).error())));
    }
    if (auto written = write(*piece, context); !written) {
      // A server that has refused may close instead of reading on (RFC 7888 §4): its answer says more than the broken
      // pipe.
      if (answer) return answer;
      return fail(std::move(written).error());
    }
    if (!answer) answer = IMAPFS_TRY(early_answer(handler, context));
  }
  if (auto written = write(literal.utf8 ? ")\r\n" : "\r\n", context); !written && !answer)
    return fail(std::move(written).error());
  return answer;
}

/// Takes what the server has sent while a literal was being sent to it: it may have refused already, or wait for us to
/// read before it reads on. (With COMPRESS nothing is seen before the end.)
Result<std::optional<Answer>> CommandChannel::early_answer(const UntaggedHandler& handler, const CallContext& context) {
  while (reader_.wait(CallContext{context.stop, SteadyClock::now()})) {
    const auto response = IMAPFS_TRY(next_response());
    if (response.kind == Response::Kind::untagged) {
      IMAPFS_TRY(take_untagged(response, handler));
    } else if (response.kind == Response::Kind::tagged) {
      auto answer = IMAPFS_TRY(tagged_answer(response));
      if (answer.kind != Answer::Kind::ok) return std::optional<Answer>(std::move(answer));
      return fail(broken_by(reader_.protocol_error("OK before the command was complete")));
    } else if (auto finished = reader_.finish(); !finished) {
      return fail(broken_by(std::move(finished).error()));
    }
  }
  return std::optional<Answer>();
}

}  // namespace imapfs::imap
