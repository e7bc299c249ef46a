#pragma once
// Commands of which the next is sent before the last has been answered (RFC 9051 §5.5). Only for such as do not depend
// on each other.
//
// After a refusal nothing more is sent; what was is awaited, and the first refusal returned. ETIMEDOUT when nothing has
// come for as long as `silence`. One thread; the runner outlives it.

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
    /// Asked after each response while there is room; it must hold no literal.
    std::function<std::optional<CommandLine>()> next;
    /// Told the number of a command that has been answered, in the order sent, from 0.
    std::function<void(std::size_t)> answered;
  };

  CommandPipeline(CommandRunner& runner, Source source, SteadyClock::duration silence)
      : runner_(runner), channel_(runner.channel()), source_(std::move(source)), silence_(silence) {}

  /// Sends what the source gives until there is no more, and awaits the answers, in whatever order they come.
  Result<void> run(const UntaggedHandler& handler, const CallContext& context);

 private:
  Result<void> fill(const CallContext& context);
  Result<void> send(const CommandLine& command, const CallContext& context);
  Result<void> take_answer(const Response& response);

  CommandRunner& runner_;
  CommandChannel& channel_;
  const Source source_;
  const SteadyClock::duration silence_;
  std::vector<std::pair<std::string, std::size_t>> outstanding_;  ///< tag and number of each that is not answered
  std::size_t sent_ = 0;
  std::string name_;  ///< of the last one
  std::optional<Error> refusal_;
};

}  // namespace imapfs::imap
