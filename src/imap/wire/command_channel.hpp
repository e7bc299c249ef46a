#pragma once
// The steps of a dialogue over a connection: a command begins, bytes are written, responses are read and routed, and a
// tagged answer ends it. CommandRunner does the steps for most commands; IDLE, the greeting and libetpan's commands do
// them one by one.
//
// Each untagged response is first offered to the running command; UnsolicitedResponses gets what the command does not
// take. So no news is lost, not even before a continuation. After an Error of scope session the channel is broken and
// repeats that Error. One thread at a time.

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

  /// The Error that broke the channel, if it is broken.
  [[nodiscard]] Result<void> usable() const;
  /// Returns `error`; an Error of scope session also breaks the channel.
  Error broken_by(Error error);

  /// Begins a command: gives it a tag, makes that the current one and returns it.
  std::string begin(const CallContext& context);
  /// As above, with a tag made elsewhere.
  void begin(std::string tag, const CallContext& context);
  /// Begins a command while others wait for their answers; returns its tag.
  std::string begin_beside(const CallContext& context);
  void set_context(const CallContext& context) { context_ = context; }
  /// Data has come: moves the running command's deadline to now + `patience`, but not beyond `context`'s. Returns its
  /// context.
  const CallContext& extend_deadline(SteadyClock::duration patience, const CallContext& context);

  Result<void> write(std::string_view bytes, const CallContext& context);
  /// Reads one response. Counts and skips lines that are none, unless they are errors in disguise.
  Result<Response> next_response();
  /// Offers an untagged response to the handler, else to UnsolicitedResponses, and finishes it.
  Result<void> take_untagged(const Response& response, const UntaggedHandler& handler);
  /// Parses the tagged answer at the reader's cursor.
  Result<Answer> tagged_answer(const Response& response);
  /// Skips the rest of the response.
  Result<void> finish();

  /// The tag of the running command; with several, of the one whose answer is being read.
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
  std::vector<std::string> outstanding_;  ///< tags of commands in a pipeline that wait for their answers
  std::uint64_t next_tag_ = 1;
  std::uint32_t junk_ = 0;
  bool traced_ = false;
  std::optional<Error> broken_;
};

/// Handles a tagged answer to a command that is not complete yet: a refusal, else a protocol error.
Result<Answer> early_refusal(CommandChannel& channel, const Response& response);

}  // namespace imapfs::imap
