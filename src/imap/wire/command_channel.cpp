#include "imap/wire/command_channel.hpp"

#include <algorithm>
#include <utility>

#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::uint32_t max_junk_lines = 10'000;  // per command; a flood of blank lines is an attack, not news
constexpr std::size_t max_response_name = 32;

/// Exchange sends such lines, without tag or star, when it throttles or gives up.
bool is_error_in_disguise(std::string_view line) {
  constexpr std::string_view unavailable = "Server Unavailable";
  return iequals(line.substr(0, unavailable.size()), unavailable) || suggested_backoff_ms(line).has_value();
}

/// If the connection ended after BYE, the reason in BYE counts.
Error reason_for_end(Error error, const std::optional<Answer>& bye) {
  if (!bye || error.errnum == EINTR || error.errnum == ETIMEDOUT) return error;
  return error_from_answer("BYE", *bye);
}

void trace_line(std::string_view direction, std::string_view line) {
  telemetry::trace(telemetry::Category::imap, "{} {}", direction, telemetry::redact(line));
}

}  // namespace

CommandChannel::CommandChannel(std::unique_ptr<net::ByteStream> stream, std::size_t max_line)
    : transport_(std::move(stream)), reader_(transport_, max_line), unsolicited_(reader_) {}

Result<void> CommandChannel::usable() const {
  if (broken_) return fail(Error(*broken_));
  return {};
}

Error CommandChannel::broken_by(Error error) {
  if (error.scope != Scope::session || broken_) return error;
  error = reason_for_end(std::move(error), unsolicited_.bye());
  broken_ = error;
  return error;
}

std::string CommandChannel::begin(const CallContext& context) {
  begin(fmt::format("F{}", next_tag_++), context);
  return tag_;
}

void CommandChannel::begin(std::string tag, const CallContext& context) {
  tag_ = std::move(tag);
  outstanding_.clear();
  context_ = context;
  reader_.set_context(context_);
  junk_ = 0;
  traced_ = telemetry::traced(telemetry::Category::imap);
  telemetry::counters().imap_commands.fetch_add(1, std::memory_order_relaxed);
}

std::string CommandChannel::begin_beside(const CallContext& context) {
  auto others = std::exchange(outstanding_, {});
  if (others.empty()) others.push_back(tag_);
  const auto junk = junk_;
  auto tag = begin(context);
  junk_ = junk;  // all commands together count towards the limit
  others.push_back(tag);
  outstanding_ = std::move(others);
  return tag;
}

const CallContext& CommandChannel::extend_deadline(SteadyClock::duration patience, const CallContext& context) {
  context_.deadline = std::min(context.deadline, SteadyClock::now() + patience);
  return context_;
}

void CommandChannel::trace(const CommandLine& command) const {
  if (traced_) trace_line(">", tag_ + ' ' + command.printable());
}

Result<void> CommandChannel::write(std::string_view bytes, const CallContext& context) {
  auto written = transport_.write(bytes, context);
  if (!written) return fail(broken_by(std::move(written).error()));
  return {};
}

Result<Response> CommandChannel::next_response() {
  while (true) {
    if (auto loaded = reader_.next(); !loaded) return fail(broken_by(std::move(loaded).error()));
    // A continuation may be part of a SASL exchange, so its text is not logged.
    if (traced_) trace_line("<", reader_.rest().starts_with("+") ? "+" : reader_.rest());
    if (auto response = recognise()) return std::move(*response);
    if (auto skipped = junk_line(); !skipped) return fail(broken_by(std::move(skipped).error()));
  }
}

/// Reads a line up to the response's name; nothing if the line is no response.
std::optional<Response> CommandChannel::recognise() {
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
  if (!untagged && !tagged) return std::nullopt;
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

/// Whether `line` answers one of the commands that were sent; makes its tag the current one.
bool CommandChannel::at_tag(std::string_view line) {
  const auto begins_with = [&](const std::string& tag) {
    return !tag.empty() && line.size() > tag.size() && line.starts_with(tag) && line[tag.size()] == ' ';
  };
  if (begins_with(tag_)) return true;
  const auto found = std::find_if(outstanding_.begin(), outstanding_.end(), begins_with);
  if (found != outstanding_.end()) tag_ = *found;
  return found != outstanding_.end();
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

Result<void> CommandChannel::take_untagged(const Response& response, const UntaggedHandler& handler) {
  auto taken = handler ? handler(response, reader_) : Result<bool>(false);
  if (!taken) return fail(broken_by(std::move(taken).error()));
  if (!*taken) {
    if (auto done = unsolicited_.take(response); !done) return fail(broken_by(std::move(done).error()));
  }
  return finish();
}

Result<Answer> CommandChannel::tagged_answer(const Response& response) {
  const auto kind = status_kind(response.name);
  auto answer = parse_status_text(kind.value_or(Answer::Kind::bad), reader_.rest());
  if (!kind) answer.text = fmt::format("unknown answer {}", telemetry::printable(response.name, 32));
  unsolicited_.take_codes(answer);
  std::erase(outstanding_, tag_);
  tag_.clear();
  IMAPFS_TRY(finish());
  return answer;
}

Result<void> CommandChannel::finish() {
  if (auto finished = reader_.finish(); !finished) return fail(broken_by(std::move(finished).error()));
  return {};
}

Result<Answer> early_refusal(CommandChannel& channel, const Response& response) {
  auto answer = IMAPFS_TRY(channel.tagged_answer(response));
  if (answer.kind != Answer::Kind::ok) return answer;
  return fail(channel.broken_by(channel.reader().protocol_error("OK before the command was complete")));
}

}  // namespace imapfs::imap
