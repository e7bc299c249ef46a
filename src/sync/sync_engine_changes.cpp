// Changes of messages: SyncEngine hands them to Changes, and gives it what it needs of the rest. Without a journal
// nothing can be changed.

#include "imapfs/sync/errors.hpp"
#include "sync/changes/changes.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {}  // namespace

std::unique_ptr<Changes> EngineImplementation::make_mutations() {
  if (!journal_) return nullptr;
  return std::make_unique<Changes>(Changes::Dependencies{
      settings_, *journal_, listener_, [this](imap::PoolJob job) { submit(std::move(job)); },
      [this](SteadyClock::duration delay, Job job) {
        later(delay, [job = std::move(job)](EngineImplementation&) { job(); });
      },
      [this](MailboxId id) { return find_mailbox(id); },
      [this](const std::string& name) { return find_mailbox_named(name); },
      [this](const MailboxPointer& mailbox, Job then) { with_rows_loaded(mailbox, std::move(then)); },
      [this](const MailboxPointer& mailbox) { list_anew(mailbox); },
      [this](const MailboxPointer& mailbox, Completion<void> done) { bring_in_step(mailbox, std::move(done)); },
      [this] { return tree(); },
      [this] {
        return traits_.with_lock(
            [](const auto& traits) { return traits ? traits->capabilities : imap::Capabilities(); });
      },
      [this] { return online(); }, [this](const MailboxPointer& mailbox) { ask_rights(mailbox); }});
}

MailboxPointer EngineImplementation::find_mailbox_named(const std::string& name) const {
  if (name.empty()) return nullptr;
  auto all = mailboxes_.lock();
  const auto found = all->by_name.find(name);
  return found == all->by_name.end() ? nullptr : found->second;
}

void EngineImplementation::bring_in_step(const MailboxPointer& mailbox, Completion<void> done) {
  const auto wanted = ++mailbox->activity.lock()->news;
  await_news(mailbox, wanted, std::move(done));
}

/// A sync that is running may have begun before the news: then another follows.
void EngineImplementation::await_news(const MailboxPointer& mailbox, std::uint64_t wanted, Completion<void> done) {
  auto ended = [this, mailbox, wanted, done = std::move(done)](const Result<void>& result) {
    const auto covered = mailbox->activity.with_lock([](const auto& activity) { return activity.covered; });
    if (!result || covered >= wanted || stopping_) return done(result);
    await_news(mailbox, wanted, done);
  };
  if (mailbox->replica.gate().join(std::move(ended))) start_sync(mailbox, imap::Priority::background);
}

/// A sync that runs would take the empty table for the whole mailbox: after it.
void EngineImplementation::list_anew(const MailboxPointer& mailbox) {
  const auto begun = std::make_shared<bool>(false);
  const bool may_begin = mailbox->replica.gate().join([this, mailbox, begun](const Result<void>&) {
    if (!*begun && !stopping_) list_anew(mailbox);
  });
  if (!may_begin) return;
  *begun = true;
  mailbox->replica.restart(mailbox->replica.table()->uid_validity());
  mailbox->replica.news().publish();
  if (bodies_) bodies_->remove_mailbox(mailbox->replica.identity().name);
  start_sync(mailbox, imap::Priority::background);
}

void EngineImplementation::upload(const Upload& upload, Completion<Arrival> done) {
  if (!changes_) return done(fail(no_journal()));
  with_connection([this, upload, done = std::move(done)] {
    with_rights(upload.target.mailbox, [this, upload, done] { changes_->upload(upload, done); });
  });
}

void EngineImplementation::copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  if (!changes_) return reply.accepted(fail(no_journal()));
  with_connection([this, source, target, reply = std::move(reply)] {
    with_rights(target.mailbox, [this, source, target, reply] { changes_->copy_message(source, target, reply); });
  });
}

void EngineImplementation::move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  if (!changes_) return reply.accepted(fail(no_journal()));
  with_connection([this, source, target, reply = std::move(reply)] {
    with_rights(source.message.mailbox, [this, source, target, reply] {
      with_rights(target.mailbox, [this, source, target, reply] { changes_->move_message(source, target, reply); });
    });
  });
}

void EngineImplementation::remove_message(const ChangeSource& source, ChangeReply reply) {
  if (!changes_) return reply.accepted(fail(no_journal()));
  with_connection([this, source, reply = std::move(reply)] {
    with_rights(source.message.mailbox, [this, source, reply] { changes_->remove_message(source, reply); });
  });
}

void EngineImplementation::expunge_message(const ChangeSource& source, ChangeReply reply) {
  if (!changes_) return reply.accepted(fail(no_journal()));
  with_connection([this, source, reply = std::move(reply)] { changes_->expunge_message(source, reply); });
}

void EngineImplementation::restore_message(const ChangeSource& source, const std::string& file_name,
                                           ChangeReply reply) {
  if (!changes_) return reply.accepted(fail(no_journal()));
  with_connection(
      [this, source, file_name, reply = std::move(reply)] { changes_->restore_message(source, file_name, reply); });
}

void EngineImplementation::give_name(const MessageLocation& message, const std::string& name,
                                     const MessageLocation& replaces, Completion<void> done) {
  if (!changes_) return done(fail(no_journal()));
  // A name is ours alone; the message that it takes the place of is the server's.
  if (replaces.uid.value == 0) return changes_->give_name(message, name, replaces, std::move(done));
  with_connection(
      [this, message, name, replaces, done = std::move(done)] { changes_->give_name(message, name, replaces, done); });
}

void EngineImplementation::drain(MailboxId mailbox, Completion<void> done) {
  if (!changes_) return done({});
  if (changes_->status().pending == 0) return changes_->drain(mailbox, std::move(done));
  with_connection([this, mailbox, done = std::move(done)] { changes_->drain(mailbox, done); });
}

std::vector<PendingArrival> EngineImplementation::pending_arrivals() const {
  if (!changes_) return {};
  return changes_->pending_arrivals();
}

void EngineImplementation::await_change(ChangeId change, Completion<Arrival> finished) {
  if (!changes_) return finished(fail(ENOENT, "there is no such change"));
  changes_->await_change(change, std::move(finished));
}

}  // namespace imapfs::sync
