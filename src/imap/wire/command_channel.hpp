#pragma once
// One dialogue after another over a connection: sends a command, routes what comes back, and returns its tagged answer.
//
// Every untagged response is first offered to the running command; what it does not take goes to the UntaggedListener
// or is skipped, so news is never lost and never in the way, also where it precedes a continuation. NO and BAD become
// Errors by error_from_answer(). After an Error of scope session the channel is broken and repeats that Error. One
// thread at a time.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/command_line.hpp"
#include "imap/wire/fetch_parser.hpp"
#include "imap/wire/response_reader.hpp"
#include "imap/wire/transport.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

/// What kind of response the reader stands on.
struct Response {
  enum class Kind : std::uint8_t { untagged, tagged, continuation, junk };
  Kind kind = Kind::junk;
  std::optional<std::uint64_t> number;  ///< "* 5 EXISTS"
  std::string name;  ///< upper case: "EXISTS", "OK"; at most 32 octets; kept in place, no allocation as a rule
  [[nodiscard]] bool is(std::string_view wanted) const { return name == wanted; }
};

/// Gets an untagged response with the reader behind its name. True: taken (what it leaves unread is skipped).
using UntaggedHandler = std::function<Result<bool>(const Response&, ResponseReader&)>;

class CommandChannel {
 public:
  CommandChannel(std::unique_ptr<net::ByteStream> stream, std::size_t max_line);

  [[nodiscard]] Transport& transport() { return transport_; }
  [[nodiscard]] ResponseReader& reader() { return reader_; }
  void set_listener(UntaggedListener* listener) { listener_ = listener; }
  void set_literal_plus(bool available) { literal_plus_ = available; }
  /// Gets every OK with a response code, tagged or not, that no command has taken.
  void set_code_listener(std::function<void(const Answer&)> listener) { code_listener_ = std::move(listener); }

  /// Makes of a name on the wire what the listener knows it by.
  void set_name_reader(std::function<WireName(std::string)> reader) { name_reader_ = std::move(reader); }
  /// Sees every refusal of a command that run() sends, and may make another Error of it.
  using RefusalFilter = std::function<Error(const Answer&, Error)>;
  void set_refusal_filter(RefusalFilter filter) { refusal_filter_ = std::move(filter); }

  /// Sends `command` and handles responses until it is answered with OK.
  Result<Answer> run(const CommandLine& command, const UntaggedHandler& handler, const CallContext& context);
  /// A literal that ends a command and is read while it is sent.
  struct StreamedLiteral {
    AppendSource& source;
    bool synchronising = true;  ///< to be sent only once the server has asked for it: it knows no LITERAL+
    bool utf8 = false;          ///< as "UTF8 (~{n}" and ")": RFC 6855 §4
  };
  /// run() of `command` followed by `literal`, in constant memory (streamed_literal.cpp). A refusal leaves the channel
  /// usable. An Error of the source, or an end at another place than its size(), breaks it: the server waits for octets
  /// that do not exist.
  Result<Answer> run(const CommandLine& command, const StreamedLiteral& literal, const UntaggedHandler& handler,
                     const CallContext& context);

  /// Commands of which the next is sent before the last has been answered (RFC 9051 §5.5). Only for such as do not
  /// depend on each other.
  struct Pipeline {
    std::size_t depth = 2;  ///< so many wait for their answer at most
    std::function<std::optional<CommandLine>()>
        next;  ///< asked after each response while there is room; it must hold no literal
    std::function<void(std::size_t)>
        answered;                   ///< told the number of a command that has been, in the order sent, from 0
    SteadyClock::duration silence;  ///< ETIMEDOUT when nothing has come for so long
  };
  /// Sends what `next` gives until there is no more, and awaits the answers, in whatever order they come. After a
  /// refusal nothing more is sent; what was is awaited, and the first refusal returned (command_pipeline.cpp).
  Result<void> run(const Pipeline& pipeline, const UntaggedHandler& handler, const CallContext& context);
  /// Something has come: the command that is running has until now + `patience` from here on, if its caller's deadline
  /// allows.
  void extend_deadline(SteadyClock::duration patience, const CallContext& context);

  // The steps of run(), for commands with a dialogue of their own (IDLE, libetpan's).

  /// The reason why the channel is of no use, if it is.
  [[nodiscard]] Result<void> usable() const;
  /// `error` if its scope is session is remembered, and returned in any case.
  Error broken_by(Error error);
  /// Starts a command: makes its tag the current one and returns it.
  std::string begin(const CallContext& context);
  /// The same with a tag made elsewhere.
  void begin(std::string tag, const CallContext& context);
  /// Replaces the context of the command that is running.
  void set_context(const CallContext& context) { context_ = context; }
  Result<void> write(std::string_view bytes, const CallContext& context);
  /// Reads up to the next response that is tagged, or a continuation; untagged ones go to `handler`, then to
  /// dispatch().
  Result<Response> next_event(const UntaggedHandler& handler);
  /// Reads one response. Junk is counted and skipped here, unless it is an error in disguise.
  Result<Response> next_response();
  /// Offers an untagged response to the handler, else does what must be done with it, and finishes it.
  Result<void> take_untagged(const Response& response, const UntaggedHandler& handler);
  /// Gives the listener a row that a command saw and did not ask for.
  void deliver_fetch(const FetchRow& row);
  void deliver_status(const WireName& name, const MailboxStatus& status);
  /// The tagged answer the reader stands on.
  Result<Answer> tagged_answer(const Response& response);

  /// Untagged data that reached the listener so far.
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  /// Capabilities last announced by the server in any form; consumed by the caller.
  std::optional<std::set<std::string>> take_capabilities();
  /// What ENABLED has named since the last call.
  std::set<std::string> take_enabled();
  /// The most messages that EXISTS has told the listener of since the last reset_exists().
  [[nodiscard]] std::uint32_t most_exist() const { return most_exist_; }
  void reset_exists() { most_exist_ = 0; }

 private:
  Result<std::optional<Answer>> send_up_to_end(const CommandLine& command, const UntaggedHandler& handler,
                                               std::string& pending, const CallContext& context);
  Result<std::optional<Answer>> ask_for_literal(std::string& pending, const UntaggedHandler& handler,
                                                const CallContext& context);
  Result<std::optional<Answer>> stream(const StreamedLiteral& literal, std::string announcement,
                                       const UntaggedHandler& handler, const CallContext& context);
  Result<void> send_pipelined(const CommandLine& command, const Pipeline& pipeline, const CallContext& context);
  [[nodiscard]] bool at_tag(std::string_view line);
  Result<std::optional<Answer>> early_answer(const UntaggedHandler& handler, const CallContext& context);
  Result<Answer> await_answer(const CommandLine& command, std::optional<Answer> answer, const UntaggedHandler& handler);
  Result<void> dispatch(const Response& response);
  Result<void> dispatch_status_text(const Response& response);
  Result<void> dispatch_data(const Response& response);
  Result<void> deliver_vanished();
  Result<void> deliver_status_row();
  Error refused(std::string_view name, const Answer& answer);
  Result<void> junk_line();
  Error closed_error(Error error) const;
  void note_codes(const Answer& answer);
  void trace_line(std::string_view direction, std::string_view line) const;

  Transport transport_;
  ResponseReader reader_;
  FetchParser fetch_parser_;
  UntaggedListener* listener_ = nullptr;
  std::function<void(const Answer&)> code_listener_;
  std::function<WireName(std::string)> name_reader_;
  RefusalFilter refusal_filter_;
  CallContext context_;
  std::string tag_;
  std::vector<std::string>
      pipelined_;  ///< tags of commands that wait for their answer; empty but for run() of a Pipeline
  std::uint64_t next_tag_ = 1;
  std::uint64_t delivered_ = 0;
  std::uint32_t junk_ = 0;
  std::uint32_t most_exist_ = 0;
  bool literal_plus_ = false;
  bool traced_ = false;
  std::optional<Answer> bye_;
  std::optional<Error> broken_;
  std::optional<std::set<std::string>> capabilities_;
  std::set<std::string> enabled_;
};

}  // namespace imapfs::imap
