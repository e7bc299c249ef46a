#include "imap/wire/command_pipeline.hpp"

#include <algorithm>

namespace imapfs::imap {
namespace {

constexpr std::size_t depth = 2;  // the most commands that wait for their answers

}  // namespace

Result<void> CommandPipeline::run(const UntaggedHandler& handler, const CallContext& context) {
  IMAPFS_TRY(channel_.usable());
  IMAPFS_TRY(context.check());
  while (true) {
    IMAPFS_TRY(fill(context));
    if (outstanding_.empty()) break;
    const auto response = IMAPFS_TRY(channel_.next_response());
    channel_.extend_deadline(silence_, context);
    if (response.kind == Response::Kind::untagged) IMAPFS_TRY(channel_.take_untagged(response, handler));
    else if (response.kind == Response::Kind::tagged) IMAPFS_TRY(take_answer(response));
    else IMAPFS_TRY(channel_.finish());
  }
  if (refusal_) return fail(std::move(*refusal_));
  return {};
}

/// Sends commands while there is room. Returns only Errors of the channel; an Error of a command counts as a refusal.
Result<void> CommandPipeline::fill(const CallContext& context) {
  while (!refusal_ && outstanding_.size() < depth) {
    const auto command = source_.next();
    if (!command) break;
    name_ = command->name();
    if (auto sent = send(*command, context); !sent) refusal_ = std::move(sent).error();
    IMAPFS_TRY(channel_.usable());
  }
  return {};
}

Result<void> CommandPipeline::send(const CommandLine& command, const CallContext& context) {
  IMAPFS_TRY(command.check());
  if (command.pieces().size() != 1) return fail(EINVAL, "{} with a literal cannot be pipelined", command.name());
  const auto tag = outstanding_.empty() ? channel_.begin(context) : channel_.begin_beside(context);
  outstanding_.emplace_back(tag, sent_++);
  const auto& extended = channel_.extend_deadline(silence_, context);
  channel_.trace(command);
  return channel_.write(tag + ' ' + command.pieces().front() + "\r\n", extended);
}

Result<void> CommandPipeline::take_answer(const Response& response) {
  const auto place = std::find_if(outstanding_.begin(), outstanding_.end(),
                                  [&](const auto& waiting) { return waiting.first == channel_.tag(); });
  const auto number = place->second;
  outstanding_.erase(place);
  const auto answer = IMAPFS_TRY(channel_.tagged_answer(response));
  if (answer.kind != Answer::Kind::ok && !refusal_) refusal_ = runner_.refusal(name_, answer);
  source_.answered(number);
  return {};
}

}  // namespace imapfs::imap
