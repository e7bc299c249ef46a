#pragma once
// An account with a journal on a fake server, and what a user does to its messages.

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "imapfs/store/journal.hpp"
#include "unit/sync/bodies/lying_session.hpp"
#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {

using testing::FakeServer;

/// What is called as a change goes on.
class Progress {
 public:
  Progress() : state_(std::make_shared<State>()) {}

  [[nodiscard]] ChangeReply reply() const {
    return {[state = state_](const Result<ChangeId>& result) { state->accepted.set_value(result); },
            [state = state_](const Result<Arrival>& result) { state->finished.set_value(result); }};
  }
  [[nodiscard]] Result<ChangeId> accepted() const { return wait(state_->accepted_future, "not accepted in time"); }
  [[nodiscard]] Result<Arrival> finished() const { return wait(state_->finished_future, "not finished in time"); }
  [[nodiscard]] bool has_finished() const {
    return state_->finished_future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

 private:
  struct State {
    std::promise<Result<ChangeId>> accepted;
    std::promise<Result<Arrival>> finished;
    std::shared_future<Result<ChangeId>> accepted_future = accepted.get_future().share();
    std::shared_future<Result<Arrival>> finished_future = finished.get_future().share();
  };
  template <class T>
  static Result<T> wait(const std::shared_future<Result<T>>& future, const char* what) {
    if (future.wait_for(test_patience) != std::future_status::ready) return fail(ETIMEDOUT, "{}", what);
    return future.get();
  }
  std::shared_ptr<State> state_;
};

class ChangesFixture {
 public:
  ChangesFixture() {
    server.create_mailbox("Archive");
    server.create_mailbox("Bin");
    server.edit_mailbox("Bin", [](testing::FakeMailbox& bin) { bin.special_use = SpecialUse::trash; });
    settings.account = "anna@example.org";
    settings.names = default_names();
    settings.watch = false;
    settings.timeout = test_patience;
    settings.reconnect_grace = SteadyClock::duration::zero();  // unless it is about that
  }
  ~ChangesFixture() { unmount(); }

  void mount() {
    if (!journal) journal = store::Journal::open(state.path(), settings.account).value();
    account = std::make_unique<ImapAccount>(settings, factory(), store::MetadataStore::open(cache.path()),
                                            std::make_shared<store::MessageCache>(store::MessageCache::Settings{}),
                                            journal, scheduler, listener);
    const auto context = CallContext::within(test_patience);
    auto session = factory()(context);
    ASSERT_TRUE(account->start(session ? std::move(*session) : nullptr, context));
  }
  /// Sessions that say what the server says, but for `lies`. These are to be told before mount().
  [[nodiscard]] imap::SessionFactory factory() {
    return
        [honest = server.factory(), lies = lies](const CallContext& context) -> Result<std::unique_ptr<imap::Session>> {
          auto session = honest(context);
          if (!session) return session;
          return std::make_unique<LyingSession>(std::move(*session), lies);
        };
  }
  void unmount() {
    if (account) account->stop();
    account.reset();
    journal.reset();
  }
  void remount() {
    unmount();
    mount();
  }

  [[nodiscard]] MailboxId id(const std::string& path) const { return account->mailboxes().tree()->find_path(path)->id; }
  [[nodiscard]] std::shared_ptr<const MessageTable> table(const std::string& path) const {
    return account->mailboxes().table(id(path));
  }
  void list(const std::string& path) {
    ASSERT_TRUE(await<void>([&](Completion<void> done) { account->mailboxes().freshen(id(path), std::move(done)); }));
    Uid last;
    while (!table(path)->complete()) {
      table(path)->visit_after(last, 100'000, [&](const auto& row) {
        last = row.uid;
        return true;
      });
      ASSERT_TRUE(await<void>(
          [&](Completion<void> done) { account->mailboxes().await_rows(id(path), last, std::move(done)); }));
    }
  }
  /// Names that a listing shows.
  [[nodiscard]] std::set<std::string> listed(const std::string& path) const {
    std::set<std::string> names;
    table(path)->visit_after(Uid{0}, 100'000, [&](const MessageTable::RowView& row) {
      names.emplace(row.file_name);
      return true;
    });
    return names;
  }
  [[nodiscard]] std::size_t listed_count(const std::string& path) const { return listed(path).size(); }

  [[nodiscard]] MessageLocation at(const std::string& path, std::uint32_t uid) const {
    return {id(path), server.mailbox(path).uid_validity, Uid{uid}};
  }
  [[nodiscard]] ChangeSource source(const std::string& path, std::uint32_t uid) const { return {at(path, uid), {}}; }
  [[nodiscard]] ArrivalTarget target(const std::string& path, const std::string& name = {}) const {
    return {id(path), name, {}};
  }

  Progress remove(const ChangeSource& message) {
    Progress progress;
    account->changes().remove(message, progress.reply());
    return progress;
  }
  Progress move(const ChangeSource& message, const ArrivalTarget& where) {
    Progress progress;
    account->changes().move(message, where, progress.reply());
    return progress;
  }
  Progress copy(const ChangeSource& message, const ArrivalTarget& where) {
    Progress progress;
    account->changes().copy(message, where, progress.reply());
    return progress;
  }
  Progress expunge(const ChangeSource& message) {
    Progress progress;
    account->changes().expunge(message, progress.reply());
    return progress;
  }
  Progress restore(const ChangeSource& message, const std::string& name = {}) {
    Progress progress;
    account->changes().restore(message, name, progress.reply());
    return progress;
  }
  Result<void> drain() {
    return await<void>([&](Completion<void> done) { account->changes().drain(MailboxId{0}, std::move(done)); });
  }
  /// A file as vfs has staged it.
  Upload stage(const std::string& path, const std::string& content, const std::string& name = "new.eml") {
    store::StagedFile file;
    file.mailbox = path;
    file.name = name;
    EXPECT_TRUE(journal->stage(file));
    std::ofstream(journal->staging_path(file.id)) << content;
    Upload upload;
    upload.staged = file.id;
    upload.target = target(path, name);
    upload.canonical_size = content.size();
    for (std::size_t i = 0; i < content.size(); ++i)
      if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) ++upload.canonical_size;
    upload.message_id = "<upload@example.org>";
    return upload;
  }
  Result<Arrival> upload(const Upload& upload) {
    return await<Arrival>([&](Completion<Arrival> done) { account->changes().upload(upload, std::move(done)); });
  }

  /// Subjects of all messages in the mailboxes, with "!" for those flagged \Deleted.
  [[nodiscard]] std::multiset<std::string> messages(const std::string& path) const {
    std::multiset<std::string> subjects;
    for (const auto& [uid, message] : server.mailbox(path).messages) {
      const auto& body = *message.body;
      const auto begin = body.find("Subject: ") + 9;
      subjects.insert(body.substr(begin, body.find('\r', begin) - begin) +
                      (message.flags.has(SystemFlag::deleted) ? "!" : ""));
    }
    return subjects;
  }
  [[nodiscard]] std::size_t pending() const { return account->status()["changes"]["pending"].get<std::size_t>(); }
  bool wait_until_done() {
    return listener.wait([&] { return pending() == 0; });
  }

  TemporaryDirectory cache;
  TemporaryDirectory state;
  FakeServer server;
  std::shared_ptr<Lies> lies = std::make_shared<Lies>();
  RecordingListener listener;
  Scheduler scheduler;
  SyncSettings settings;
  std::shared_ptr<store::Journal> journal;
  std::unique_ptr<ImapAccount> account;
};

using Subjects = std::multiset<std::string>;

}  // namespace imapfs::sync
