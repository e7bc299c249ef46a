#include <algorithm>
#include <utility>

#include "imap/wire/command_channel.hpp"

namespace imapfs::imap {

Result<void> CommandChannel::run(const Pipeline& pipeline, const UntaggedHandler& handler, const CallContext& context) {
  IMAPFS_TRY(usable());
  IMAPFS_TRY(context.check());
  pipelined_.clear();
  std::optional<Error> refusal;
  std::string name;
  std::size_t next_number = 0;
  std::vector<std::size_t> numbers;  // of those in pipelined_
  while (true) {
    while (!refusal && pipelined_.size() < pipeline.depth) {
      const auto command = pipeline.next();
      if (!command) break;
      name = command->name();
      if (auto sent = send_pipelined(*command, pipeline, context); !sent) refusal = std::move(sent).error();
      if (broken_) return fail(Error(*broken_));
      numbers.resize(pipelined_.size(), next_number++);
    }
    if (pipelined_.empty()) break;
    const auto response = IMAPFS_TRY(next_response());
    extend_deadline(pipeline.silence, context);
    if (response.kind == Response::Kind::untagged) {
      IMAPFS_TRY(take_untagged(response, handler));
    } else if (response.kind == Response::Kind::tagged) {
      const auto place = std::find(pipelined_.begin(), pipelined_.end(), tag_) - pipelined_.begin();
      pipelined_.erase(pipelined_.begin() + place);
      const auto number = numbers.at(static_cast<std::size_t>(place));
      numbers.erase(numbers.begin() + place);
      const auto answer = IMAPFS_TRY(tagged_answer(response));
      if (answer.kind != Answer::Kind::ok && !refusal) refusal = refused(name, answer);
      pipeline.answered(number);
    } else if (auto finished = reader_.finish(); !finished) {
      return fail(broken_by(std::move(finished).error()));
    }
  }
  if (refusal) return fail(std::move(*refusal));
  return {};
}

Result<void> CommandChannel::send_pipelined(const CommandLine& command, const Pipeline& pipeline,
                                            const CallContext& context) {
  IMAPFS_TRY(command.check());
  if (command.pieces().size() != 1) return fail(EINVAL, "{} with a literal cannot be pipelined", command.name());
  const auto junk = junk_;
  auto tag = begin(context);
  // A flood is a flood over all of them.
  if (!pipelined_.empty()) junk_ = junk;
  pipelined_.push_back(tag);
  extend_deadline(pipeline.silence, context);
  if (traced_) trace_line(">", tag + ' ' + command.printable());
  return write(tag + ' ' + command.pieces().front() + "\r\n", context_);
}

void CommandChannel::extend_deadline(SteadyClock::duration patience, const CallContext& context) {
  context_.deadline = std::min(context.deadline, SteadyClock::now() + patience);
}

}  // namespace imapfs::imap
