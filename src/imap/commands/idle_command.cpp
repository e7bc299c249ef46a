#include <algorithm>

#include "imap/commands/imap_session.hpp"

namespace imapfs::imap {
namespace {

constexpr auto answer_patience = std::chrono::seconds(30);  // for the answer to DONE, while nobody waits for a stop
constexpr auto stop_patience = std::chrono::seconds(2);     // the same, while somebody does
constexpr auto asked_patience = std::chrono::seconds(4);    // the same, while the connection is in doubt
/// For the rest of a response that has begun. No stop ends this wait, because half a response cannot be resumed.
constexpr auto response_patience = std::chrono::seconds(10);

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

/// Ends IDLE from outside by one token: the caller's stop, or the question whether the connection still works.
class Interruption {
 public:
  Interruption(const std::stop_token& stop, const std::stop_token& asked)
      : stop_(stop), on_stop_(stop, [this] { either_.request_stop(); }),
        on_asked_(asked, [this] { either_.request_stop(); }) {}
  [[nodiscard]] std::stop_token either() const { return either_.get_token(); }
  [[nodiscard]] const std::stop_token& stop() const { return stop_; }
  [[nodiscard]] bool asked() const { return either_.stop_requested() && !stop_.stop_requested(); }
  [[nodiscard]] SteadyClock::duration patience() const {
    if (stop_.stop_requested()) return stop_patience;
    return either_.stop_requested() ? SteadyClock::duration(asked_patience) : SteadyClock::duration(answer_patience);
  }

 private:
  const std::stop_token stop_;
  std::stop_source either_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::stop_callback<std::function<void()>> on_asked_;
};

/// The state of a dialogue. `answered`: the server has ended it by its tagged answer.
enum class Phase : std::uint8_t { idling, stopped, answered };

/// Waits for an answer that the session needs to go on. An interruption shortens this wait but does not end it.
class AnswerWait {
 public:
  AnswerWait(const Interruption& interruption, Deadline deadline)
      : interruption_(interruption),
        interrupted_(interruption.either().stop_requested()), waiting_{interrupted_ ? interruption.stop()
                                                                                    : interruption.either(),
                                                                       std::min(deadline, SteadyClock::now() +
                                                                                              interruption.patience())},
        stopped_(interruption.stop().stop_requested()) {
    if (stopped_) waiting_.stop = {};
  }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] bool interrupted() const { return interrupted_; }

  /// The next response. Breaks the channel if none comes.
  Result<Response> next(CommandChannel& channel) {
    while (true) {
      auto woken = wait_for_data(channel.reader(), Deadline::max(), waiting_);
      if (!woken) return fail(channel.broken_by(std::move(woken).error()));
      if (*woken == Wake::data) break;
      if (*woken != Wake::stopped) {
        return fail(channel.broken_by(Error{stopped_ ? EINTR : ETIMEDOUT, Scope::session,
                                            stopped_ ? Retry::never : Retry::later, "IDLE was not answered"}));
      }
      interrupted_ = true;
      stopped_ = interruption_.stop().stop_requested();
      waiting_ = CallContext{stopped_ ? std::stop_token() : interruption_.stop(),
                             std::min(waiting_.deadline, SteadyClock::now() + interruption_.patience())};
    }
    channel.set_context(CallContext::within(stopped_ ? stop_patience : response_patience));
    return channel.next_response();
  }

 private:
  const Interruption& interruption_;
  bool interrupted_;
  CallContext waiting_;
  bool stopped_;
};

/// Handles a response that is not a tagged answer.
Result<void> take_other(CommandChannel& channel, const Response& response) {
  if (response.kind == Response::Kind::untagged) return channel.take_untagged(response, nullptr);
  return channel.finish();
}

Result<void> take_answer(CommandChannel& channel, const Response& response) {
  const auto answer = IMAPFS_TRY(channel.tagged_answer(response));
  if (answer.kind != Answer::Kind::ok) return fail(channel.broken_by(error_from_answer("IDLE", answer)));
  return {};
}

/// Reads up to the continuation or a refusal; news may come first. A stop does not end this wait: DONE may be sent only
/// after the continuation.
Result<Phase> await_continuation(CommandChannel& channel, const Interruption& interruption, Deadline deadline) {
  AnswerWait wait(interruption, deadline);
  while (true) {
    const auto response = IMAPFS_TRY(wait.next(channel));
    if (response.kind == Response::Kind::tagged) {
      IMAPFS_TRY(take_answer(channel, response));
      return Phase::answered;
    }
    IMAPFS_TRY(take_other(channel, response));
    if (response.kind == Response::Kind::continuation) return wait.interrupted() ? Phase::stopped : Phase::idling;
  }
}

/// Sends DONE and reads up to its answer.
Result<void> finish_idle(CommandChannel& channel, const Interruption& interruption) {
  const auto sending = CallContext::within(interruption.patience());
  channel.set_context(sending);
  IMAPFS_TRY(channel.write("DONE\r\n", sending));
  AnswerWait wait(interruption, Deadline::max());
  while (true) {
    const auto response = IMAPFS_TRY(wait.next(channel));
    if (response.kind == Response::Kind::tagged) return take_answer(channel, response);
    IMAPFS_TRY(take_other(channel, response));
  }
}

/// Delivers news until at least one was delivered and no more is buffered, or until there is another reason to end.
Result<Phase> deliver_news(CommandChannel& channel, std::uint64_t before, Deadline renewal, const CallContext& context,
                           Wake& wake) {
  auto& reader = channel.reader();
  while (channel.unsolicited().delivered() == before || reader.has_buffered()) {
    auto woken = wait_for_data(reader, renewal, context);
    if (!woken) return fail(channel.broken_by(std::move(woken).error()));
    wake = *woken;
    if (wake != Wake::data) break;
    channel.set_context(CallContext::within(response_patience));
    const auto response = IMAPFS_TRY(channel.next_response());
    if (response.kind == Response::Kind::tagged) {  // the server ended IDLE by itself
      IMAPFS_TRY(take_answer(channel, response));
      return Phase::answered;
    }
    IMAPFS_TRY(take_other(channel, response));
  }
  return Phase::idling;
}

}  // namespace

Result<IdleEnd> ImapSession::idle(std::chrono::seconds renew_after, const CallContext& context,
                                  const std::stop_token& asked) {
  if (!has("IDLE")) return fail(EOPNOTSUPP, "the server has no IDLE");
  if (selection_.mailbox().empty()) return fail(EINVAL, "IDLE needs a selected mailbox");
  auto& channel = connection_->channel;
  IMAPFS_TRY(channel.usable());
  IMAPFS_TRY(context.check());
  const auto renewal = SteadyClock::now() + renew_after;
  const auto before = channel.unsolicited().delivered();
  // Without the stop token: a command that was only partly sent costs the session.
  const CallContext sending{{}, std::min(context.deadline, SteadyClock::now() + answer_patience)};
  const auto tag = channel.begin(sending);
  IMAPFS_TRY(channel.write(tag + " IDLE\r\n", sending));

  auto begun = before;  // news before the continuation and after DONE does not count: it comes with any command
  const auto ended = [&] { return channel.unsolicited().delivered() != begun ? IdleEnd::event : IdleEnd::renewal_due; };
  const Interruption interruption(context.stop, asked);
  const CallContext resting{interruption.either(), context.deadline};
  const auto started = IMAPFS_TRY(await_continuation(channel, interruption, context.deadline));
  begun = channel.unsolicited().delivered();
  if (started == Phase::answered) return ended();
  auto wake = started == Phase::stopped ? Wake::stopped : Wake::data;
  if (wake == Wake::data && IMAPFS_TRY(deliver_news(channel, before, renewal, resting, wake)) == Phase::answered) {
    return ended();
  }
  const auto end = ended();
  IMAPFS_TRY(finish_idle(channel, interruption));
  if (wake == Wake::stopped && interruption.asked()) return end;
  if (wake == Wake::stopped) return fail(EINTR, "IDLE was stopped");
  if (wake == Wake::deadline) return fail(ETIMEDOUT, "IDLE reached its deadline");
  return end;
}

Result<void> ImapSession::notify_personal(const CallContext& context) {
  if (!has("NOTIFY")) return fail(EOPNOTSUPP, "the server has no NOTIFY");
  // RFC 5465 §5: without "selected" the server would stop reporting the selected mailbox.
  auto line = command("NOTIFY");
  line.word("SET STATUS (selected (MessageNew MessageExpunge FlagChange))");
  line.word("(personal (MessageNew MessageExpunge MailboxName SubscriptionChange))");
  IMAPFS_TRY(connection_->runner.run(line, nullptr, context));
  return {};
}

}  // namespace imapfs::imap
