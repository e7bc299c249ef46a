#pragma once
// Runs commands over a channel: sends each, lets a handler take the untagged responses that it wants, and returns the
// tagged answer.
//
// NO and BAD become Errors by error_from_answer(). A refusal leaves the channel usable. Nothing is sent if the channel
// is broken, if the command cannot be sent (EINVAL), or if the context has ended. One thread at a time.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "imap/wire/command_channel.hpp"
#include "imap/wire/command_line.hpp"
#include "imap/wire/streamed_literal.hpp"

namespace imapfs::imap {

class CommandRunner {
 public:
  explicit CommandRunner(CommandChannel& channel) : channel_(channel) {}

  [[nodiscard]] CommandChannel& channel() { return channel_; }
  void set_literal_plus(bool available) { literal_plus_ = available; }
  /// Sees every refusal and may return another Error for it.
  using RefusalFilter = std::function<Error(const Answer&, Error)>;
  void set_refusal_filter(RefusalFilter filter) { refusal_filter_ = std::move(filter); }

  /// Sends `command` and handles responses until it is answered with OK.
  Result<Answer> run(const CommandLine& command, const UntaggedHandler& handler, const CallContext& context);
  /// Sends `command` followed by `literal`, in constant memory. If the literal's source fails, or does not end after
  /// its size, the channel breaks: the server waits for bytes that do not exist.
  Result<Answer> run(const CommandLine& command, StreamedLiteral& literal, const UntaggedHandler& handler,
                     const CallContext& context);
  Error refusal(std::string_view name, const Answer& answer);

 private:
  Result<void> begin(const CommandLine& command, const CallContext& context);
  Result<std::optional<Answer>> send_up_to_end(const CommandLine& command, const UntaggedHandler& handler,
                                               std::string& pending, const CallContext& context);
  Result<std::optional<Answer>> ask_for_literal(std::string& pending, const UntaggedHandler& handler,
                                                const CallContext& context);
  Result<std::optional<Answer>> send_literal(StreamedLiteral& literal, std::string announced,
                                             const UntaggedHandler& handler, const CallContext& context);
  Result<Response> next_event(const UntaggedHandler& handler);
  Result<Answer> await_answer(const CommandLine& command, std::optional<Answer> answer, const UntaggedHandler& handler);

  CommandChannel& channel_;
  RefusalFilter refusal_filter_;
  bool literal_plus_ = false;
};

}  // namespace imapfs::imap
