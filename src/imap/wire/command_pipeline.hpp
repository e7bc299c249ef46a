#pragma once
// Sends each command before the last has been answered (RFC 9051 §5.5). Only for commands that do not depend on each
// other.
//
// After a refusal no more commands are sent; the answers of those that were sent are awaited, and the first refusal is
// returned. ETIMEDOUT if nothing comes for `silence`. One thread; the runner outlives it.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imap/wire/command_runner.hpp"

namespace imapfs::imap {

class CommandPipeline {
 public:
  struct Source {
    /// Returns the next command, without literals. Called while there is room.
    std::function<std::optional<CommandLine>()> next;
    /// Called with the number of a command that has been answered; numbers are in the order sent, from 0.
    std::function<void(std::size_t)> answered;
  };

  CommandPipeline(CommandRunner& runner, Source source, SteadyClock::duration silence)
      : runner_(runner), channel_(runner.channel()), source_(std::move(source)), silence_(silence) {}

  /// Sends the source's commands until there is none left, and awaits the answers, in whatever order they come.
  Result<void> run(const UntaggedHandler& handler, const CallContext& context);

 private:
  Result<void> fill(const CallContext& context);
  Result<void> send(const CommandLine& command, const CallContext& context);
  Result<void> take_answer(const Response& response);

  CommandRunner& runner_;
  CommandChannel& channel_;
  const Source source_;
  const SteadyClock::duration silence_;
  std::vector<std::pair<std::string, std::size_t>> outstanding_;  ///< tag and number of each unanswered command
  std::size_t sent_ = 0;
  std::string name_;  ///< of the last command
  std::optional<Error> refusal_;
};

}  // namespace imapfs::imap
