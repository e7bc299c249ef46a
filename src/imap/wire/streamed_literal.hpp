#pragma once
// A literal at the end of a command that is read while it is sent, in constant memory.
//
// The source must have exactly its size: an Error of it, or another length, breaks the channel. One thread; the source
// outlives it.

#include <optional>
#include <string>

#include "imap/wire/command_channel.hpp"

namespace imapfs::imap {

class StreamedLiteral {
 public:
  /// `synchronising`: send it only after the server has asked for it, because the server has no LITERAL+. `utf8`:
  /// enclose it in "UTF8 (~{n}" and ")", RFC 6855 §4.
  StreamedLiteral(AppendSource& source, bool synchronising, bool utf8)
      : source_(source), synchronising_(synchronising), utf8_(utf8) {}

  [[nodiscard]] bool synchronising() const { return synchronising_; }
  /// The text before it, from the space to the end of the line.
  [[nodiscard]] std::string announcement() const;
  /// Sends the literal and the end of the command. Returns the answer if it came early.
  Result<std::optional<Answer>> send(CommandChannel& channel, const UntaggedHandler& handler,
                                     const CallContext& context);

 private:
  AppendSource& source_;
  const bool synchronising_;
  const bool utf8_;
};

}  // namespace imapfs::imap
