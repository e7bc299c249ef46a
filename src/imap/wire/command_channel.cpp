#include "imap/wire/command_channel.hpp"

#include <algorithm>
#include <utility>

#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::uint32_t max_junk_lines = 10'000;  // per command; a flood of blank lines is an attack, not news
constexpr std::size_t max_response_name = 32;
constexpr std::size_t most_enabled = 64;

std::optional<Answer::Kind> status_kind(std::string_view name) {
  if (name == "OK" || name == "PREAUTH") return Answer::Kind::ok;
  if (name == "NO") return Answer::Kind::no;
  if (name == "BAD") return Answer::Kind::bad;
  if (name == "BYE") return Answer::Kind::bye;
  return std::nullopt;
}

/// Exchange sends these without tag or star when it throttles or gives up.
bool is_error_in_disguise(std::string_view line) {
  constexpr std::string_view unavailable = "Server Unavailable";
  return iequals(line.substr(0, unavailable.size()), unavailable) || suggested_backoff_ms(line).has_value();
}

}  // namespace

CommandChannel::CommandChannel(std::unique_ptr<net::ByteStream> stream, std::size_t max_line)
    : transport_(std::move(stream)), reader_(transport_, max_line) {}

Result<void> CommandChannel::usable() const {
  if (broken_) return fail(Error(*broken_));
  return {};
}

Error CommandChannel::broken_by(Error error) {
  if (error.scope != Scope::session || broken_) return error;
  error = closed_error(std::move(error));
  broken_ = error;
  return error;
}

/// A connection that ended after BYE ended for the reason BYE gave.
Error CommandChannel::closed_error(Error error) const {
  if (!bye_ || error.errnum == EINTR || error.errnum == ETIMEDOUT) return error;
  return error_from_answer("BYE", *bye_);
}

std::string CommandChannel::begin(const CallContext& context) {
  begin(fmt::format("F{}", next_tag_++), context);
  return tag_;
}

void CommandChannel::begin(std::string tag, const CallContext& context) {
  tag_ = std::move(tag);
  context_ = context;
  reader_.set_context(context_);
  junk_ = 0;
  traced_ = telemetry::traced(telemetry::Category::imap);
  telemetry::counters().imap_commands.fetch_add(1, std::memory_order_relaxed);
}

void CommandChannel::trace_line(std::string_view direction, std::string_view line) const {
  if (traced_) telemetry::trace(telemetry::Category::imap, "{} {}", direction, telemetry::redact(line));
}

Result<void> CommandChannel::write(std::string_view bytes, const CallContext& context) {
  auto written = transport_.write(bytes, context);
  if (!written) return fail(broken_by(std::move(written).error()));
  return {};
}

Result<Response> CommandChannel::next_response() {
  while (true) {
    if (auto loaded = reader_.next(); !loaded) return fail(broken_by(std::move(loaded).error()));
    // A continuation may be part of a SASL exchange: its text is not logged.
    if (traced_) trace_line("<", reader_.rest().starts_with("+") ? "+" : reader_.rest());
    Response response;
    if (reader_.accept('+')) {
      // Some servers leave out the space.
      if (!reader_.accept(' ') && !reader_.at_end()) reader_.skip_spaces();
      reader_.rest_is_text();
      response.kind = Response::Kind::continuation;
      return response;
    }
    const bool untagged = reader_.rest().starts_with("* ");
    const bool tagged = !untagged && at_tag(reader_.rest());
    if (!untagged && !tagged) {
      if (auto skipped = junk_line(); !skipped) return fail(broken_by(std::move(skipped).error()));
      continue;
    }
    reader_.skip(untagged ? 2 : tag_.size() + 1);
    reader_.skip_spaces();
    response.kind = untagged ? Response::Kind::untagged : Response::Kind::tagged;
    response.number = untagged ? reader_.number() : std::nullopt;
    reader_.skip_spaces();
    response.name = upper(reader_.atom().substr(0, max_response_name));
    reader_.skip_spaces();
    if (tagged || status_kind(response.name)) reader_.rest_is_text();
    return response;
  }
}

/// Whether `line` answers the command, or one of those, that was sent; its tag is the current one then.
bool CommandChannel::at_tag(std::string_view line) {
  const auto begins_with = [&](const std::string& tag) {
    return !tag.empty() && line.size() > tag.size() && line.starts_with(tag) && line[tag.size()] == ' ';
  };
  if (begins_with(tag_)) return true;
  const auto found = std::find_if(pipelined_.begin(), pipelined_.end(), begins_with);
  if (found != pipelined_.end()) tag_ = *found;
  return found != pipelined_.end();
}

Result<void> CommandChannel::junk_line() {
  const auto line = reader_.rest();
  if (is_error_in_disguise(line)) {
    auto error = error_from_answer("command", parse_status_text(Answer::Kind::bad, line));
    error.scope = Scope::session;
    if (error.retry == Retry::never) error.retry = Retry::later;
    return fail(std::move(error));
  }
  if (++junk_ > max_junk_lines) return fail(reader_.protocol_error("too many lines that are no IMAP responses"));
  if (!line.empty() && junk_ <= 3) telemetry::debug("imap: skipped a line: {}", telemetry::printable(line, 80));
  reader_.rest_is_text();
  return reader_.finish();
}

Result<Response> CommandChannel::next_event(const UntaggedHandler& handler) {
  while (true) {
    auto response = IMAPFS_TRY(next_response());
    if (response.kind != Response::Kind::untagged) return response;
    IMAPFS_TRY(take_untagged(response, handler));
  }
}

Result<void> CommandChannel::take_untagged(const Response& response, const UntaggedHandler& handler) {
  if (handler) {
    auto taken = handler(response, reader_);
    if (!taken) return fail(broken_by(std::move(taken).error()));
    if (!*taken) {
      if (auto done = dispatch(response); !done) return fail(broken_by(std::move(done).error()));
    }
  } else if (auto done = dispatch(response); !done) {
    return fail(broken_by(std::move(done).error()));
  }
  if (auto finished = reader_.finish(); !finished) return fail(broken_by(std::move(finished).error()));
  return {};
}

Result<Answer> CommandChannel::tagged_answer(const Response& response) {
  const auto kind = status_kind(response.name);
  auto answer = parse_status_text(kind.value_or(Answer::Kind::bad), reader_.rest());
  if (!kind) answer.text = fmt::format("unknown answer {}", telemetry::printable(response.name, 32));
  note_codes(answer);
  tag_.clear();
  if (auto finished = reader_.finish(); !finished) return fail(broken_by(std::move(finished).error()));
  return answer;
}

Result<Answer> CommandChannel::run(const CommandLine& command, const UntaggedHandler& handler,
                                   const CallContext& context) {
  IMAPFS_TRY(usable());
  IMAPFS_TRY(command.check());
  IMAPFS_TRY(context.check());  // before anything is sent, giving up costs nothing
  begin(context);
  std::string pending;
  auto answer = IMAPFS_TRY(send_up_to_end(command, handler, pending, context));
  if (!answer) IMAPFS_TRY(write(pending + "\r\n", context));
  return await_answer(command, std::move(answer), handler);
}

/// Handles responses until there is an answer, if there is none yet.
Result<Answer> CommandChannel::await_answer(const CommandLine& command, std::optional<Answer> answer,
                                            const UntaggedHandler& handler) {
  while (!answer) {
    const auto response = IMAPFS_TRY(next_event(handler));
    if (response.kind == Response::Kind::tagged) {
      answer = IMAPFS_TRY(tagged_answer(response));
    } else if (auto finished = reader_.finish(); !finished) {
      return fail(broken_by(std::move(finished).error()));
    }
  }
  if (answer->kind == Answer::Kind::ok) return std::move(*answer);
  return fail(refused(command.name(), *answer));
}

Error CommandChannel::refused(std::string_view name, const Answer& answer) {
  auto error = error_from_answer(name, answer);
  if (refusal_filter_) error = refusal_filter_(answer, std::move(error));
  return broken_by(std::move(error));
}

/// Sends the pieces, of the last text what stays in `pending`; where a synchronising literal is refused, the answer.
Result<std::optional<Answer>> CommandChannel::send_up_to_end(const CommandLine& command, const UntaggedHandler& handler,
                                                             std::string& pending, const CallContext& context) {
  if (traced_) trace_line(">", tag_ + ' ' + command.printable());
  pending = tag_ + ' ';
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

/// Sends what is pending and waits until the server asks for the literal it announces; if it refuses, the answer.
Result<std::optional<Answer>> CommandChannel::ask_for_literal(std::string& pending, const UntaggedHandler& handler,
                                                              const CallContext& context) {
  IMAPFS_TRY(write(pending, context));
  pending.clear();
  const auto response = IMAPFS_TRY(next_event(handler));
  if (response.kind == Response::Kind::tagged) {
    auto answer = IMAPFS_TRY(tagged_answer(response));
    if (answer.kind != Answer::Kind::ok) return std::optional<Answer>(std::move(answer));
    return fail(broken_by(reader_.protocol_error("OK before the command was complete")));
  }
  if (auto finished = reader_.finish(); !finished) return fail(broken_by(std::move(finished).error()));
  return std::optional<Answer>();
}

Result<void> CommandChannel::dispatch(const Response& response) {
  if (status_kind(response.name)) return dispatch_status_text(response);
  return dispatch_data(response);
}

Result<void> CommandChannel::dispatch_status_text(const Response& response) {
  auto answer = parse_status_text(*status_kind(response.name), reader_.rest());
  note_codes(answer);
  if (answer.kind == Answer::Kind::bye) bye_ = std::move(answer);
  return {};
}

void CommandChannel::note_codes(const Answer& answer) {
  if (answer.code == "CAPABILITY") capabilities_ = parse_capability_words(answer.code_data);
  if (answer.code == "ALERT") telemetry::warning("server alert: {}", telemetry::printable(answer.text));
  if (answer.code == "NOTIFICATIONOVERFLOW" && listener_ != nullptr) listener_->on_mailbox_list_changed();
  if (answer.kind != Answer::Kind::ok || answer.code.empty()) return;
  if (code_listener_) code_listener_(answer);
  if (answer.code != "HIGHESTMODSEQ" || listener_ == nullptr) return;
  if (const auto modseq = parse_number(answer.code_data); modseq && *modseq > 0) {
    listener_->on_highest_modseq(ModSeq{*modseq});
    ++delivered_;
  }
}

std::optional<std::set<std::string>> CommandChannel::take_capabilities() {
  return std::exchange(capabilities_, std::nullopt);
}

std::set<std::string> CommandChannel::take_enabled() { return std::exchange(enabled_, {}); }

Result<void> CommandChannel::dispatch_data(const Response& response) {
  if (response.is("CAPABILITY")) {
    capabilities_ = parse_capability_words(reader_.rest());
    return {};
  }
  if (response.is("ENABLED")) {
    // Of several responses the last would do; more of them must not grow.
    auto words = parse_capability_words(reader_.rest());
    if (enabled_.size() < most_enabled) enabled_.merge(std::move(words));
    return {};
  }
  if (response.is("EXISTS") && response.number && *response.number <= UINT32_MAX) {
    most_exist_ = std::max(most_exist_, static_cast<std::uint32_t>(*response.number));
  }
  if (listener_ == nullptr) return {};
  if (response.is("EXISTS") && response.number && *response.number <= UINT32_MAX) {
    listener_->on_exists(static_cast<std::uint32_t>(*response.number));
  } else if (response.is("EXPUNGE") && response.number) {
    listener_->on_expunge();
  } else if (response.is("VANISHED")) {
    return deliver_vanished();
  } else if (response.is("FETCH") && response.number) {
    listener_->on_fetch(IMAPFS_TRY(fetch_parser_.parse(reader_, nullptr)));
  } else if (response.is("STATUS")) {
    return deliver_status_row();
  } else if (response.is("LIST")) {
    listener_->on_mailbox_list_changed();
  } else {
    return {};
  }
  ++delivered_;
  return {};
}

void CommandChannel::deliver_fetch(const FetchRow& row) {
  if (listener_ == nullptr) return;
  listener_->on_fetch(row);
  ++delivered_;
}

Result<void> CommandChannel::deliver_vanished() {
  if (reader_.peek() == '(') {  // (EARLIER) after the fact is no harm: the UIDs are gone either way
    IMAPFS_TRY(reader_.skip_value());
    reader_.skip_spaces();
  }
  const auto uids = IMAPFS_TRY(parse_uid_set(reader_));
  if (uids.empty()) return {};
  listener_->on_vanished(uids);
  ++delivered_;
  return {};
}

void CommandChannel::deliver_status(const WireName& name, const MailboxStatus& status) {
  if (listener_ == nullptr || name.empty()) return;
  listener_->on_status(name, status);
  ++delivered_;
}

Result<void> CommandChannel::deliver_status_row() {
  auto name = IMAPFS_TRY(parse_name_before(reader_, Following::list));
  const auto status = IMAPFS_TRY(parse_status_items(reader_));
  if (name) deliver_status(name_reader_ ? name_reader_(std::move(*name)) : std::move(*name), status);
  return {};
}

}  // namespace imapfs::imap
