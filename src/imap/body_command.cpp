#include <array>
#include <limits>
#include <optional>
#include <span>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/etpan_session.hpp"

namespace imapfs::imap {
namespace {

/// What a sink refuses is passed on, but its literal is left unread: the connection cannot go on.
class CountingSink final : public BodySink {
 public:
  explicit CountingSink(BodySink& sink) : sink_(sink) {}
  Result<void> begin(std::uint64_t length) override { return ends_session(sink_.begin(length)); }
  Result<void> data(std::span<const char> bytes) override {
    telemetry::counters().body_bytes_fetched.fetch_add(bytes.size(), std::memory_order_relaxed);
    return ends_session(sink_.data(bytes));
  }

 private:
  static Result<void> ends_session(Result<void> outcome) {
    if (outcome || outcome.error().scope >= Scope::session) return outcome;
    auto error = std::move(outcome).error();
    error.scope = Scope::session;
    return fail(std::move(error));
  }
  BodySink& sink_;
};

std::string section_item(std::optional<OctetRange> range) {
  if (!range) return "BODY.PEEK[]";
  return fmt::format("BODY.PEEK[]<{}.{}>", range->offset, range->length);
}

}  // namespace

/// The bodies one command asked for, of one message: each goes to its sink at most once, and only under its UID.
class EtpanSession::BodyFetch final : public BodyReceiver {
 public:
  struct Part {
    std::optional<OctetRange> range;
    CountingSink sink;
    bool received = false;
  };

  explicit BodyFetch(Uid uid) : uid_(uid) {}
  void add(std::optional<OctetRange> range, BodySink& sink) {
    parts_[count_++].emplace(Part{range, CountingSink(sink)});
  }

  Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) override {
    if (!label.section.empty()) return nullptr;
    if (label.uid_so_far.value != 0 && label.uid_so_far != uid_) {
      wrong_uid_ = true;
      return nullptr;
    }
    for (auto& part : parts_) {
      if (!part || part->received || part->range.has_value() != label.origin.has_value()) continue;
      if (part->range && part->range->offset != *label.origin) continue;
      if (part->range && length > part->range->length) {
        too_long_ = true;
        return nullptr;
      }
      part->received = true;
      in_this_row_ = true;
      return &part->sink;
    }
    return nullptr;
  }

  /// True if the row held a body of ours.
  bool row_ended(const FetchRow& row) {
    const bool ours = std::exchange(in_this_row_, false);
    if (ours && row.uid != uid_) wrong_uid_ = true;
    return ours;
  }

  [[nodiscard]] Result<void> outcome() const {
    if (wrong_uid_) {
      return fail(EIO, Scope::message, Retry::never, "the server sent a body under another UID than {}", uid_.value);
    }
    if (too_long_) return fail(EIO, Scope::message, Retry::never, "the server sent more than the range asked for");
    if (!parts_[0] || !parts_[0]->received) {
      return fail(ENOENT, Scope::message, Retry::never, "the server has no body for UID {}", uid_.value);
    }
    return {};
  }

 private:
  Uid uid_;
  std::array<std::optional<Part>, 2> parts_;
  std::size_t count_ = 0;
  bool in_this_row_ = false;
  bool wrong_uid_ = false;
  bool too_long_ = false;
};

Result<void> EtpanSession::run_body_fetch(const CommandLine& line, BodyFetch& fetch, const CallContext& context) {
  auto& channel = connection_->channel;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (!response.is("FETCH") || !response.number) return false;
    const auto row = IMAPFS_TRY(fetch_parser_.parse(reader, &fetch));
    if (!fetch.row_ended(row)) channel.deliver_fetch(row);
    return true;
  };
  IMAPFS_TRY(channel.run(line, handler, context));
  IMAPFS_TRY(fetch.outcome());
  telemetry::counters().bodies_fetched.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<void> EtpanSession::fetch_body(Uid uid, std::optional<OctetRange> range, BodySink& sink,
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

Result<void> EtpanSession::fetch_head_and_tail(Uid uid, std::uint64_t head_length, OctetRange tail,
                                               BodySink& head_sink, BodySink& tail_sink, const CallContext& context) {
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

}  // namespace imapfs::imap
