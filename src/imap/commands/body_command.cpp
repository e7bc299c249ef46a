#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "imap/commands/imap_session.hpp"
#include "imap/wire/command_pipeline.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

/// The Error of a sink: its literal is left unread, so the connection cannot go on.
Result<void> ends_session(Result<void> outcome) {
  if (outcome || outcome.error().lost_connection()) return outcome;
  auto error = std::move(outcome).error();
  error.scope = Scope::session;
  return fail(std::move(error));
}

void count_bytes(std::span<const char> bytes) {
  telemetry::counters().body_bytes_fetched.fetch_add(bytes.size(), std::memory_order_relaxed);
}

/// What a transfer of many bodies does with each piece: counts it, and grants the server as much silence again.
class Progress {
 public:
  Progress(CommandChannel& channel, SteadyClock::duration silence, const CallContext& context)
      : channel_(channel), silence_(silence), context_(context) {}

  void note(std::span<const char> bytes) const {
    count_bytes(bytes);
    channel_.extend_deadline(silence_, context_);
  }

 private:
  CommandChannel& channel_;
  const SteadyClock::duration silence_;
  const CallContext& context_;
};

class CountingSink final : public BodySink {
 public:
  explicit CountingSink(BodySink& sink) : sink_(sink) {}
  Result<void> begin(std::uint64_t length) override { return ends_session(sink_.begin(length)); }
  Result<void> data(std::span<const char> bytes) override {
    count_bytes(bytes);
    return ends_session(sink_.data(bytes));
  }

 private:
  BodySink& sink_;
};

std::string section_item(std::optional<OctetRange> range) {
  if (!range) return "BODY.PEEK[]";
  return fmt::format("BODY.PEEK[]<{}.{}>", range->offset, range->length);
}

}  // namespace

/// Where the bodies of FETCH rows go.
class ImapSession::BodyRows : public BodyReceiver {
 public:
  /// True if the row held a body of ours.
  virtual Result<bool> row_ended(const FetchRow& row) = 0;
};

/// Parts of the body of one message: each is taken only under its UID, and no longer than asked for.
class ImapSession::BodyPartRows : public BodyRows {
 public:
  [[nodiscard]] bool accepts(Uid uid_of_row) const override { return uid_of_row == uid_; }

  Result<bool> row_ended(const FetchRow& row) override {
    const bool ours = std::exchange(in_this_row_, false);
    if (ours && row.uid != uid_) wrong_uid_ = true;
    return ours;
  }

 protected:
  explicit BodyPartRows(Uid uid) : uid_(uid) {}

  [[nodiscard]] Uid uid() const { return uid_; }
  /// Whether the row may be that of the message. Where the UID follows the body, row_ended() finds out.
  bool is_of_message(const BodyLabel& label) {
    const bool other = label.uid_so_far.value != 0 && label.uid_so_far != uid_;
    if (other) wrong_uid_ = true;
    return !other;
  }
  /// Whether a literal of `length` bytes is taken for a part of which at most `asked` were asked for.
  bool takes(std::uint64_t length, std::uint64_t asked) {
    if (length > asked) too_long_ = true;
    else in_this_row_ = true;
    return length <= asked;
  }
  /// `complete`: everything that must have come has.
  [[nodiscard]] Result<void> outcome_if(bool complete) const {
    if (wrong_uid_) {
      return fail(EIO, Scope::message, Retry::never, "the server sent a body under another UID than {}", uid_.value);
    }
    if (too_long_) return fail(EIO, Scope::message, Retry::never, "the server sent more than the range asked for");
    if (!complete) {
      return fail(ENOENT, Scope::message, Retry::never, "the server has no body for UID {}", uid_.value);
    }
    return {};
  }

 private:
  const Uid uid_;
  bool in_this_row_ = false;
  bool wrong_uid_ = false;
  bool too_long_ = false;
};

/// The bodies one command asked for, of one message: each goes to its sink at most once, and only under its UID.
class ImapSession::BodyFetch final : public BodyPartRows {
 public:
  struct Part {
    std::optional<OctetRange> range;
    CountingSink sink;
    bool received = false;
  };

  explicit BodyFetch(Uid uid) : BodyPartRows(uid) {}
  void add(std::optional<OctetRange> range, BodySink& sink) {
    parts_[count_++].emplace(Part{range, CountingSink(sink)});
  }

  Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) override {
    if (!label.section.empty() || !is_of_message(label)) return nullptr;
    for (auto& part : parts_) {
      if (!part || part->received || part->range.has_value() != label.origin.has_value()) continue;
      if (part->range && part->range->offset != *label.origin) continue;
      if (!takes(length, part->range ? part->range->length : UINT64_MAX)) return nullptr;
      part->received = true;
      return &part->sink;
    }
    return nullptr;
  }

  [[nodiscard]] Result<void> outcome() const { return outcome_if(parts_[0] && parts_[0]->received); }

 private:
  std::array<std::optional<Part>, 2> parts_;
  std::size_t count_ = 0;
};

/// Ranges of the body of one message, each at most once, and only under its UID.
class ImapSession::BodyRangesFetch final : public BodyPartRows, private BodySink {
 public:
  BodyRangesFetch(Uid uid, BodyRangeSink& sink, CommandChannel& channel, SteadyClock::duration silence,
                  const CallContext& context)
      : BodyPartRows(uid), sink_(sink), progress_(channel, silence, context) {}

  std::optional<CommandLine> next(CommandLine line) {
    if (!outcome()) return std::nullopt;
    const auto range = sink_.next_range();
    if (!range) return std::nullopt;
    asked_.push_back({*range, false, false});
    line.word(fmt::format("{} (UID {})", uid().value, section_item(range)));
    return line;
  }
  void answered(std::size_t number) {
    auto& part = asked_.at(number);
    part.answered = true;
    if (!part.received) missing_ = true;
    sink_.answered(part.range);
  }

  Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) override {
    if (!label.section.empty() || !label.origin || !is_of_message(label)) return nullptr;
    for (auto& part : asked_) {
      if (part.received || part.answered || part.range.offset != *label.origin) continue;
      if (!takes(length, part.range.length)) return nullptr;
      part.received = true;
      receiving_ = part.range;
      return static_cast<BodySink*>(this);
    }
    return nullptr;
  }

  [[nodiscard]] std::size_t ranges() const { return asked_.size(); }
  [[nodiscard]] Result<void> outcome() const { return outcome_if(!missing_); }

 private:
  struct Part {
    OctetRange range;
    bool received = false;
    bool answered = false;
  };

  Result<void> begin(std::uint64_t length) override { return ends_session(sink_.begin(receiving_, length)); }
  Result<void> data(std::span<const char> bytes) override {
    progress_.note(bytes);
    return ends_session(sink_.data(bytes));
  }

  BodyRangeSink& sink_;
  const Progress progress_;
  std::vector<Part> asked_;
  OctetRange receiving_;
  bool missing_ = false;
};

/// The bodies of many messages, each at most once, and only under the UID of one that was asked for.
class ImapSession::BodySetFetch final : public BodyRows, private BodySink {
 public:
  BodySetFetch(BodySetSink& sink, CommandChannel& channel, SteadyClock::duration silence, const CallContext& context)
      : sink_(sink), progress_(channel, silence, context) {}

  std::optional<CommandLine> next(CommandLine line) {
    if (named_too_late_ || states_.size() >= most_remembered) return std::nullopt;
    const auto uids = sink_.next_set();
    if (uids.empty()) return std::nullopt;
    for (const auto& range : uids.ranges())
      for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
        states_[static_cast<std::uint32_t>(uid)] = State::asked;
    line.word(uids.to_string()).word("(UID BODY.PEEK[])");
    ++under_way_;
    return line;
  }
  void answered(std::size_t number) {
    // Nothing is under way: what has come, or never will, need not be remembered.
    if (--under_way_ == 0) states_.clear();
    sink_.answered(number);
  }

  Result<BodySink*> receive(const BodyLabel& label, std::uint64_t) override {
    if (!label.section.empty() || label.origin) return nullptr;
    if (label.uid_so_far.value == 0) {
      named_too_late_ = true;
      return nullptr;
    }
    const auto state = states_.find(label.uid_so_far.value);
    if (state == states_.end()) return nullptr;
    if (receiving_.value != 0) return fail(EIO, Scope::session, Retry::never, "the server sent two bodies in one row");
    if (state->second == State::received)
      return fail(EIO, Scope::session, Retry::never, "the server sent the body of UID {} twice",
                  label.uid_so_far.value);
    state->second = State::received;
    receiving_ = label.uid_so_far;
    return static_cast<BodySink*>(this);
  }

  [[nodiscard]] bool accepts(Uid uid_of_row) const override { return uid_of_row == receiving_; }

  Result<bool> row_ended(const FetchRow& row) override {
    const auto uid = std::exchange(receiving_, Uid());
    if (uid.value == 0) return false;
    if (row.uid != uid)
      return fail(EIO, Scope::session, Retry::never, "the server gave a row two UIDs, {} and {}", uid.value,
                  row.uid.value);
    telemetry::counters().bodies_fetched.fetch_add(1, std::memory_order_relaxed);
    IMAPFS_TRY(ends_session(sink_.end()));
    return true;
  }

  [[nodiscard]] Result<void> outcome() const {
    if (!named_too_late_) return {};
    return fail(EOPNOTSUPP, Scope::request, Retry::never, "the server names messages only behind their bodies");
  }

 private:
  enum class State : std::uint8_t { asked, received };
  /// With so many under way the pipeline runs dry once, and they are forgotten.
  static constexpr std::size_t most_remembered = 1 << 16;

  Result<void> begin(std::uint64_t length) override { return ends_session(sink_.begin(receiving_, length)); }
  Result<void> data(std::span<const char> bytes) override {
    progress_.note(bytes);
    return ends_session(sink_.data(bytes));
  }

  BodySetSink& sink_;
  const Progress progress_;
  std::unordered_map<std::uint32_t, State> states_;
  std::size_t under_way_ = 0;  ///< commands
  Uid receiving_;
  bool named_too_late_ = false;
};

UntaggedHandler ImapSession::body_handler(BodyRows& rows) {
  return [this, &rows](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (!response.is("FETCH") || !response.number) return false;
    const auto row = IMAPFS_TRY(fetch_parser_.parse(reader, &rows));
    if (!IMAPFS_TRY(rows.row_ended(row))) connection_->channel.unsolicited().deliver_fetch(row);
    return true;
  };
}

Result<void> ImapSession::run_body_fetch(const CommandLine& line, BodyFetch& fetch, const CallContext& context) {
  IMAPFS_TRY(connection_->runner.run(line, body_handler(fetch), context));
  IMAPFS_TRY(fetch.outcome());
  telemetry::counters().bodies_fetched.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<void> ImapSession::fetch_body(Uid uid, std::optional<OctetRange> range, BodySink& sink,
                                     const CallContext& context) {
  if (range && range->length == 0) return fail(EINVAL, "empty range");
  return with_current_view(context, [&]() -> Result<void> {
    BodyFetch fetch(uid);
    fetch.add(range, sink);
    auto line = command("UID FETCH");
    line.word(fmt::format("{} (UID {})", uid.value, section_item(range)));
    return run_body_fetch(line, fetch, context);
  });
}

Result<void> ImapSession::fetch_head_and_tail(Uid uid, std::uint64_t head_length, OctetRange tail, BodySink& head_sink,
                                              BodySink& tail_sink, const CallContext& context) {
  if (head_length == 0 || tail.length == 0 || tail.offset == 0) return fail(EINVAL, "empty range");
  const OctetRange head{0, head_length};
  return with_current_view(context, [&]() -> Result<void> {
    BodyFetch fetch(uid);
    fetch.add(head, head_sink);
    fetch.add(tail, tail_sink);
    auto line = command("UID FETCH");
    line.word(fmt::format("{} (UID {} {})", uid.value, section_item(head), section_item(tail)));
    return run_body_fetch(line, fetch, context);
  });
}

Result<void> ImapSession::fetch_ranges(Uid uid, BodyRangeSink& sink, SteadyClock::duration silence,
                                       const CallContext& context) {
  return with_current_view(context, [&]() -> Result<void> {
    BodyRangesFetch fetch(uid, sink, connection_->channel, silence, context);
    const CommandPipeline::Source source{[&] { return fetch.next(command("UID FETCH")); },
                                         [&](std::size_t number) { fetch.answered(number); }};
    IMAPFS_TRY(CommandPipeline(connection_->runner, source, silence).run(body_handler(fetch), context));
    IMAPFS_TRY(fetch.outcome());
    telemetry::counters().bodies_fetched.fetch_add(fetch.ranges(), std::memory_order_relaxed);
    return {};
  });
}

Result<void> ImapSession::fetch_bodies(BodySetSink& sink, SteadyClock::duration silence, const CallContext& context) {
  std::size_t answered = 0;
  while (true) {
    IMAPFS_TRY(compression_.begin_if_due({context.stop, std::min(context.deadline, SteadyClock::now() + silence)}));
    IMAPFS_TRY(compression_.measure([&] { return fetch_sets(sink, silence, answered, context); }));
    if (!compression_.due()) return {};
  }
}

Result<void> ImapSession::fetch_sets(BodySetSink& sink, SteadyClock::duration silence, std::size_t& answered,
                                     const CallContext& context) {
  BodySetFetch fetch(sink, connection_->channel, silence, context);
  const auto next = [&]() -> std::optional<CommandLine> {
    // COMPRESS waits until everything that was asked for has come.
    if (compression_.due()) return std::nullopt;
    return fetch.next(command("UID FETCH"));
  };
  const auto before = answered;
  const CommandPipeline::Source source{next, [&](std::size_t number) {
                                         ++answered;
                                         fetch.answered(before + number);
                                       }};
  IMAPFS_TRY(CommandPipeline(connection_->runner, source, silence).run(body_handler(fetch), context));
  return fetch.outcome();
}

}  // namespace imapfs::imap
