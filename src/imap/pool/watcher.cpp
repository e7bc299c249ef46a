#include "imapfs/imap/watcher.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/pace.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

/// How often the listener is called again for news that arrive while it works on earlier ones, before IDLE starts
/// again.
constexpr int news_rounds_at_most = 8;
/// News of this program's own changes come in bursts and are known already.
constexpr int free_rounds = 6;
/// The interval beyond bursts: a mailbox that changes all the time need not be looked at more often.
constexpr auto news_interval = std::chrono::seconds(2);

/// Counts everything and passes it on.
class CountingListener : public UntaggedListener {
 public:
  explicit CountingListener(UntaggedListener& target) : target_(target) {}
  [[nodiscard]] std::uint64_t received() const { return received_; }

  void on_exists(std::uint32_t messages) override {
    ++received_;
    target_.on_exists(messages);
  }
  void on_expunge() override {
    ++received_;
    target_.on_expunge();
  }
  void on_vanished(const UidSet& uids) override {
    ++received_;
    target_.on_vanished(uids);
  }
  void on_fetch(const FetchRow& row) override {
    ++received_;
    target_.on_fetch(row);
  }
  void on_highest_modseq(ModSeq modseq) override {
    ++received_;
    target_.on_highest_modseq(modseq);
  }
  void on_status(const WireName& mailbox, const MailboxStatus& status) override {
    ++received_;
    target_.on_status(mailbox, status);
  }
  void on_mailbox_list_changed() override {
    ++received_;
    target_.on_mailbox_list_changed();
  }

 private:
  UntaggedListener& target_;
  std::uint64_t received_ = 0;
};

}  // namespace

class Watcher::Implementation {
 public:
  Implementation(Settings settings, SessionFactory factory, WatchListener& listener)
      : settings_(std::move(settings)), factory_(std::move(factory)), listener_(listener), untagged_(listener),
        backoff_(settings_.backoff),
        pace_({.free_rounds = free_rounds, .longest = settings_.poll_interval, .news_interval = news_interval}) {}
  ~Implementation() { stop(); }

  void start() {
    const std::lock_guard guard(control_);
    if (thread_.joinable()) return;
    thread_ = std::jthread([this](const std::stop_token& stop) {
      name_this_thread(settings_.name);
      run(stop);
    });
  }

  void stop() {
    const std::lock_guard guard(control_);
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  void retry_now() {
    {
      const std::lock_guard guard(mutex_);
      retry_now_ = true;
    }
    changed_.notify_all();
  }

  void ask() {
    std::stop_source idling;
    {
      const std::lock_guard guard(mutex_);
      asked_ = true;
      doubted_ = SteadyClock::now();
      idling = idling_;
    }
    idling.request_stop();
    changed_.notify_all();
  }

 private:
  /// Connects and watches, again and again, until stopped or until the watch ends for good.
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      bool final = false;
      const auto began = SteadyClock::now();
      stood_ = false;
      Result<void> result;
      if (auto ran = run_contained(settings_.name, [&] { result = watch(stop, final); }); !ran) result = std::move(ran);
      if (stop.stop_requested()) return;
      const Error error = result ? Error{} : result.error();
      telemetry::info("{}: {}{}", settings_.name, telemetry::printable(error.what), final ? "; the watch ends" : "");
      if (stood_ && error.lost_connection()) listener_.on_connection_lost(error.errnum == ETIMEDOUT);
      report(false, error.what, final);
      if (final) return;
      // A server that ends every watch at once must not be contacted again every second.
      if (stood_ && SteadyClock::now() - began >= settings_.backoff.cap) backoff_.reset();
      rest(stop, backoff_.next(error), true);
    }
  }

  /// One connection's life. Returns only with an Error; `final` if no other connection can help.
  Result<void> watch(const std::stop_token& stop, bool& final) {
    auto session = IMAPFS_TRY(factory_(CallContext::within(settings_.connect_timeout, stop)));
    session->set_listener(&untagged_);
    session->set_silence_watch({settings_.give_up_after / 5, [this](SteadyClock::duration silent, bool) {
                                  return silent >= settings_.give_up_after &&
                                         doubted_since(SteadyClock::now() - silent);
                                }});
    auto result = begin(*session, stop, final);
    if (result) {
      stand();
      report(true, session->description(), false);
      result = wait_for_news(*session, stop);
    }
    if (!result.error().lost_connection()) session->logout();
    return result;
  }

  /// The watch works: earlier requests to retry or to ask are done.
  void stand() {
    const std::lock_guard guard(mutex_);
    stood_ = true;
    retry_now_ = false;
    asked_ = false;  // a new connection answers the question
  }

  [[nodiscard]] bool doubted_since(SteadyClock::time_point when) {
    const std::lock_guard guard(mutex_);
    return doubted_ > when;
  }

  /// The token that ends the next IDLE; it is stopped already if the connection is in doubt.
  std::stop_token next_question() {
    const std::lock_guard guard(mutex_);
    idling_ = std::stop_source();
    if (asked_) idling_.request_stop();
    return idling_.get_token();
  }

  [[nodiscard]] bool take_question() {
    const std::lock_guard guard(mutex_);
    return std::exchange(asked_, false);
  }

  Result<void> begin(Session& session, const std::stop_token& stop, bool& final) {
    // Before the listener catches up, so that no change is missed in between.
    if (settings_.use_notify && session.traits().has("NOTIFY")) {
      const auto asked = session.notify_personal(command_context(stop));
      if (!asked && asked.error().lost_connection()) return asked;
      if (!asked) telemetry::info("{}: NOTIFY refused: {}", settings_.name, telemetry::printable(asked.error().what));
    }
    const auto before = untagged_.received();
    auto started = listener_.on_watch_started(session, CallContext{stop, Deadline::max()});
    if (!started) {
      final = !started.error().may_pass();
      return started;
    }
    return untagged_.received() == before ? started : tell_news(session, stop);
  }

  Result<void> wait_for_news(Session& session, const std::stop_token& stop) {
    const bool can_idle = session.traits().has("IDLE");
    for (;;) {
      const auto before = untagged_.received();
      const auto began = SteadyClock::now();
      const bool told = IMAPFS_TRY(can_idle ? idle(session, stop) : poll(session, stop));
      const bool heard = untagged_.received() != before;
      if (heard) IMAPFS_TRY(tell_news(session, stop));
      const bool news = heard && listener_.brought_news(told);
      const auto pause = pace_.after(news, SteadyClock::now() - began);
      if (pause > SteadyClock::duration{}) rest(stop, pause, false);
    }
  }

  /// Returns whether the server spoke on its own.
  Result<bool> idle(Session& session, const std::stop_token& stop) {
    // The deadline catches a connection on which even the renewal gets no answer.
    const auto patience = settings_.renew_after + settings_.connect_timeout;
    const auto question = next_question();
    const auto end = IMAPFS_TRY(session.idle(settings_.renew_after, CallContext::within(patience, stop), question));
    if (question.stop_requested() && take_question()) listener_.on_connection_answers();
    return end == IdleEnd::event;
  }

  Result<bool> poll(Session& session, const std::stop_token& stop) {
    rest(stop, settings_.poll_interval, false);
    const bool asked = take_question();
    IMAPFS_TRY(session.noop(CallContext::within(asked ? settings_.answer_patience : settings_.connect_timeout, stop)));
    if (asked) listener_.on_connection_answers();
    return true;  // without IDLE, the answer to NOOP is how a server tells news
  }

  Result<void> tell_news(Session& session, const std::stop_token& stop) {
    for (int round = 0; round < news_rounds_at_most; ++round) {
      const auto before = untagged_.received();
      const auto told = listener_.on_news(session, CallContext{stop, Deadline::max()});
      if (!told) {
        if (told.error().scope >= Scope::mailbox || stop.stop_requested()) return told;
        telemetry::warning("{}: {}", settings_.name, telemetry::printable(told.error().what));
      }
      if (untagged_.received() == before) break;
    }
    return {};
  }

  [[nodiscard]] CallContext command_context(const std::stop_token& stop) const {
    return CallContext::within(settings_.connect_timeout, stop);
  }

  /// Tells the listener if the state has changed, or if `always`.
  void report(bool watching, const std::string& reason, bool always) {
    if (watching_ == watching && !always) return;
    watching_ = watching;
    listener_.on_watching(watching, reason);
  }

  /// Waits until a stop, or until retry_now() if `curtailed`, else until ask().
  void rest(const std::stop_token& stop, SteadyClock::duration duration, bool curtailed) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, stop, SteadyClock::now() + duration, [&] { return curtailed ? retry_now_ : asked_; });
    if (curtailed && std::exchange(retry_now_, false)) backoff_.reset();
  }

  const Settings settings_;
  const SessionFactory factory_;
  WatchListener& listener_;

  // Used only by the watch's thread.
  CountingListener untagged_;
  Backoff backoff_;
  Pace pace_;
  std::optional<bool> watching_;
  bool stood_ = false;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool retry_now_ = false;             ///< guarded by mutex_
  bool asked_ = false;                 ///< guarded by mutex_
  std::stop_source idling_;            ///< guarded by mutex_
  SteadyClock::time_point doubted_{};  ///< guarded by mutex_

  std::mutex control_;  ///< start and stop; never taken by the watch's thread
  std::jthread thread_;
};

Watcher::Watcher(Settings settings, SessionFactory factory, WatchListener& listener)
    : implementation_(std::make_unique<Implementation>(std::move(settings), std::move(factory), listener)) {}
Watcher::~Watcher() = default;
void Watcher::start() { implementation_->start(); }
void Watcher::stop() { implementation_->stop(); }
void Watcher::retry_now() { implementation_->retry_now(); }
void Watcher::ask() { implementation_->ask(); }

}  // namespace imapfs::imap
