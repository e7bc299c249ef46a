#pragma once
// The steps of a dialogue over a connection: a command begins, bytes are written, responses are read and routed, and
// its tagged answer ends it. CommandRunner takes them for most commands; IDLE, the greeting and libetpan's commands
// take them one by one.
//
// Every untagged response is first offered to the running command; what it does not take goes to UnsolicitedResponses,
// so news is never lost and never in the way, also where it precedes a continuation. After an Error of scope session
// the channel is broken and repeats that Error. One thread at a time.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/command_line.hpp"
#include "imap/wire/response.hpp"
#include "imap/wire/transport.hpp"
#include "imap/wire/unsolicited_responses.hpp"

namespace imapfs::imap {

class CommandChannel {
 public:
  CommandChannel(std::unique_ptr<net::ByteStream> stream, std::size_t max_line);
  CommandChannel(const CommandChannel&) = delete;  // the reader refers to its members
  CommandChannel& operator=(const CommandChannel&) = delete;

  [[nodiscard]] Transport& transport() { return transport_; }
  [[nodiscard]] ResponseReader& reader() { return reader_; }
  [[nodiscard]] UnsolicitedResponses& unsolicited() { return unsolicited_; }

  /// The reason why the channel is of no use, if it is.
  [[nodiscard]] Result<void> usable() const;
  /// `error` if its scope is session is remembered, and returned in any case.
  Error broken_by(Error error);

  /// Starts a command: makes its tag the current one and returns it.
  std::string begin(const CallContext& context);
  /// The same with a tag made elsewhere.
  void begin(std::string tag, const CallContext& context);
  /// Starts a command beside those that still wait for their answers; returns its tag.
  std::string begin_beside(const CallContext& context);
  /// Replaces the context of the command that is running.
  void set_context(const CallContext& context) { context_ = context; }
  /// Something has come: the command that is running has until now + `patience` from here on, if its caller's deadline
  /// allows. Returns its context.
  const CallContext& extend_deadline(SteadyClock::duration patience, const CallContext& context);

  Result<void> write(std::string_view bytes, const CallContext& context);
  /// Reads one response. Junk is counted and skipped here, unless it is an error in disguise.
  Result<Response> next_response();
  /// Offers an untagged response to the handler, else does what must be done with it, and finishes it.
  Result<void> take_untagged(const Response& response, const UntaggedHandler& handler);
  /// The tagged answer the reader stands on.
  Result<Answer> tagged_answer(const Response& response);
  /// Skips what is left of the response.
  Result<void> finish();

  /// The tag of the command that is running; of several, the one whose answer the reader stands on.
  [[nodiscard]] const std::string& tag() const { return tag_; }
  void trace(const CommandLine& command) const;

 private:
  std::optional<Response> recognise();
  [[nodiscard]] bool at_tag(std::string_view line);
  Result<void> junk_line();

  Transport transport_;
  ResponseReader reader_;
  UnsolicitedResponses unsolicited_;
  CallContext context_;
  std::string tag_;
  std::vector<std::string> outstanding_;  ///< tags of commands that wait for their answer beside others
  std::uint64_t next_tag_ = 1;
  std::uint32_t junk_ = 0;
  bool traced_ = false;
  std::optional<Error> broken_;
};

/// The tagged answer to a command that is not complete yet: a refusal, or a protocol error.
Result<Answer> early_refusal(CommandChannel& channel, const Response& response);

}  // namespace imapfs::imap
