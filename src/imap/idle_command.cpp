#include <algorithm>

#include "imapfs/imap/etpan_session.hpp"

namespace imapfs::imap {
namespace {

constexpr auto answer_patience = std::chrono::seconds(30);  // for DONE's answer while nobody is waiting to stop
constexpr auto stop_patience = std::chrono::seconds(2);     // and when somebody is

enum class Wake : std::uint8_t { data, renewal, deadline, stopped };

Result<Wake> wait_for_data(ResponseReader& reader, Deadline renewal, const CallContext& context) {
  CallContext waiting{context.stop, std::min(renewal, context.deadline)};
  auto ready = reader.wait(waiting);
  if (ready) return Wake::data;
  if (ready.error().errnum == EINTR) return Wake::stopped;
  if (ready.error().errnum == ETIMEDOUT) return renewal <= context.deadline ? Wake::renewal : Wake::deadline;
  auto error = std::move(ready).error();
  error.scope = Scope::session;
  return fail(std::move(error));
}

}  // namespace

Result<IdleEnd> EtpanSession::idle(std::chrono::seconds renew_after, const CallContext& context) {
  if (!has("IDLE")) return fail(EOPNOTSUPP, "the server has no IDLE");
  if (selected_.empty()) return fail(EINVAL, "IDLE needs a selected mailbox");
  auto& channel = connection_->channel;
  IMAPFS_TRY(channel.usable());
  const auto renewal = SteadyClock::now() + renew_after;
  const auto before = channel.delivered();
  const auto tag = channel.begin(context);
  IMAPFS_TRY(channel.write(tag + " IDLE\r\n", context));

  // News may precede the continuation: it is delivered like any other.
  const auto started = IMAPFS_TRY(channel.next_event(nullptr));
  if (started.kind == Response::Kind::tagged) {
    const auto answer = IMAPFS_TRY(channel.tagged_answer(started));
    if (answer.kind != Answer::Kind::ok) return fail(channel.broken_by(error_from_answer("IDLE", answer)));
    return channel.delivered() != before ? IdleEnd::event : IdleEnd::renewal_due;
  }
  auto& reader = channel.reader();
  if (auto finished = reader.finish(); !finished) return fail(channel.broken_by(std::move(finished).error()));

  auto wake = Wake::data;
  while (channel.delivered() == before || reader.has_buffered()) {
    auto woken = wait_for_data(reader, renewal, context);
    if (!woken) return fail(channel.broken_by(std::move(woken).error()));
    wake = *woken;
    if (wake != Wake::data) break;
    const auto response = IMAPFS_TRY(channel.next_response());
    if (response.kind == Response::Kind::tagged) {  // the server ended IDLE by itself
      const auto answer = IMAPFS_TRY(channel.tagged_answer(response));
      if (answer.kind != Answer::Kind::ok) return fail(channel.broken_by(error_from_answer("IDLE", answer)));
      return channel.delivered() != before ? IdleEnd::event : IdleEnd::renewal_due;
    }
    if (response.kind == Response::Kind::untagged) {
      IMAPFS_TRY(channel.take_untagged(response, nullptr));
    } else if (auto finished = reader.finish(); !finished) {
      return fail(channel.broken_by(std::move(finished).error()));
    }
  }
  const bool stopped = wake == Wake::stopped;
  const auto patience = stopped ? stop_patience : answer_patience;
  IMAPFS_TRY(finish_idle(CallContext::within(patience, stopped ? std::stop_token() : context.stop)));
  if (stopped) return fail(EINTR, "IDLE was stopped");
  if (wake == Wake::deadline) return fail(ETIMEDOUT, "IDLE reached its deadline");
  return channel.delivered() != before ? IdleEnd::event : IdleEnd::renewal_due;
}

/// DONE, and everything up to its answer.
Result<void> EtpanSession::finish_idle(const CallContext& context) {
  auto& channel = connection_->channel;
  channel.set_context(context);
  IMAPFS_TRY(channel.write("DONE\r\n", context));
  while (true) {
    const auto response = IMAPFS_TRY(channel.next_event(nullptr));
    if (response.kind == Response::Kind::tagged) {
      const auto answer = IMAPFS_TRY(channel.tagged_answer(response));
      if (answer.kind == Answer::Kind::ok) return {};
      return fail(channel.broken_by(error_from_answer("IDLE", answer)));
    }
    if (auto finished = channel.reader().finish(); !finished) {
      return fail(channel.broken_by(std::move(finished).error()));
    }
  }
}

Result<void> EtpanSession::notify_personal(const CallContext& context) {
  if (!has("NOTIFY")) return fail(EOPNOTSUPP, "the server has no NOTIFY");
  // RFC 5465 §5: without "selected" the server would stop telling about the selected mailbox.
  auto line = command("NOTIFY");
  line.word("SET STATUS (selected (MessageNew MessageExpunge FlagChange))");
  line.word("(personal (MessageNew MessageExpunge MailboxName SubscriptionChange))");
  IMAPFS_TRY(connection_->channel.run(line, nullptr, context));
  return {};
}

}  // namespace imapfs::imap
