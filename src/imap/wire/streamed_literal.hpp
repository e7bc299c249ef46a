#pragma once
// A literal that ends a command and is read while it is sent, in constant memory.
//
// The source is held to its size: an Error of it, or an end at another place, breaks the channel. One thread; the
// source outlives it.

#include <optional>
#include <string>

#include "imap/wire/command_channel.hpp"

namespace imapfs::imap {

class StreamedLiteral {
 public:
  /// `synchronising`: to be sent only once the server has asked for it, because it knows no LITERAL+. `utf8`: as
  /// "UTF8 (~{n}" and ")", RFC 6855 §4.
  StreamedLiteral(AppendSource& source, bool synchronising, bool utf8)
      : source_(source), synchronising_(synchronising), utf8_(utf8) {}

  [[nodiscard]] bool synchronising() const { return synchronising_; }
  /// What stands before it, from the space to the end of the line.
  [[nodiscard]] std::string announcement() const;
  /// Sends it and the end of the command. The answer if the server did not wait for it.
  Result<std::optional<Answer>> send(CommandChannel& channel, const UntaggedHandler& handler,
                                     const CallContext& context);

 private:
  AppendSource& source_;
  const bool synchronising_;
  const bool utf8_;
};

}  // namespace imapfs::imap
