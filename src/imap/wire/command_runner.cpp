#include "imap/wire/command_runner.hpp"

#include <utility>

namespace imapfs::imap {

Result<Answer> CommandRunner::run(const CommandLine& command, const UntaggedHandler& handler,
                                  const CallContext& context) {
  IMAPFS_TRY(begin(command, context));
  std::string pending;
  auto answer = IMAPFS_TRY(send_up_to_end(command, handler, pending, context));
  if (!answer) IMAPFS_TRY(channel_.write(pending + "\r\n", context));
  return await_answer(command, std::move(answer), handler);
}

Result<Answer> CommandRunner::run(const CommandLine& command, StreamedLiteral& literal, const UntaggedHandler& handler,
                                  const CallContext& context) {
  IMAPFS_TRY(begin(command, context));
  std::string pending;
  auto answer = IMAPFS_TRY(send_up_to_end(command, handler, pending, context));
  if (!answer) answer = IMAPFS_TRY(send_literal(literal, std::move(pending), handler, context));
  return await_answer(command, std::move(answer), handler);
}

Result<void> CommandRunner::begin(const CommandLine& command, const CallContext& context) {
  IMAPFS_TRY(channel_.usable());
  IMAPFS_TRY(command.check());
  IMAPFS_TRY(context.check());  // cancelling is free before anything is sent
  channel_.begin(context);
  return {};
}

/// Handles responses until the command is answered, unless `answer` is there already.
Result<Answer> CommandRunner::await_answer(const CommandLine& command, std::optional<Answer> answer,
                                           const UntaggedHandler& handler) {
  while (!answer) {
    const auto response = IMAPFS_TRY(next_event(handler));
    if (response.kind == Response::Kind::tagged) answer = IMAPFS_TRY(channel_.tagged_answer(response));
    else IMAPFS_TRY(channel_.finish());
  }
  if (answer->kind == Answer::Kind::ok) return std::move(*answer);
  return fail(refusal(command.name(), *answer));
}

/// Reads up to the next tagged response or continuation.
Result<Response> CommandRunner::next_event(const UntaggedHandler& handler) {
  while (true) {
    auto response = IMAPFS_TRY(channel_.next_response());
    if (response.kind != Response::Kind::untagged) return response;
    IMAPFS_TRY(channel_.take_untagged(response, handler));
  }
}

Error CommandRunner::refusal(std::string_view name, const Answer& answer) {
  auto error = error_from_answer(name, answer);
  if (refusal_filter_) error = refusal_filter_(answer, std::move(error));
  return channel_.broken_by(std::move(error));
}

/// Sends the pieces but leaves the last text in `pending`. Returns the answer if a synchronising literal is refused.
Result<std::optional<Answer>> CommandRunner::send_up_to_end(const CommandLine& command, const UntaggedHandler& handler,
                                                            std::string& pending, const CallContext& context) {
  channel_.trace(command);
  pending = channel_.tag() + ' ';
  const auto& pieces = command.pieces();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i % 2 == 1) {
      pending += fmt::format("{{{}{}}}\r\n", pieces[i].size(), literal_plus_ ? "+" : "");
      if (!literal_plus_) {
        if (auto refused = IMAPFS_TRY(ask_for_literal(pending, handler, context))) return refused;
      }
    }
    pending += pieces[i];
  }
  return std::optional<Answer>();
}

/// Sends what is pending and waits until the server asks for the announced literal. Returns the answer if it refuses.
Result<std::optional<Answer>> CommandRunner::ask_for_literal(std::string& pending, const UntaggedHandler& handler,
                                                             const CallContext& context) {
  IMAPFS_TRY(channel_.write(pending, context));
  pending.clear();
  const auto response = IMAPFS_TRY(next_event(handler));
  if (response.kind == Response::Kind::tagged) return std::optional(IMAPFS_TRY(early_refusal(channel_, response)));
  IMAPFS_TRY(channel_.finish());
  return std::optional<Answer>();
}

/// Sends the rest of the command with the literal and the end of the line. Returns the answer if it came early.
Result<std::optional<Answer>> CommandRunner::send_literal(StreamedLiteral& literal, std::string announced,
                                                          const UntaggedHandler& handler, const CallContext& context) {
  announced += literal.announcement();
  if (literal.synchronising()) {
    if (auto refused = IMAPFS_TRY(ask_for_literal(announced, handler, context))) return refused;
  } else {
    IMAPFS_TRY(channel_.write(announced, context));
  }
  return literal.send(channel_, handler, context);
}

}  // namespace imapfs::imap
