#include "sync/changes/change_requests.hpp"

#include <utility>

#include "imapfs/sync/errors.hpp"

namespace imapfs::sync {

void ChangeRequests::with_rights(MailboxId mailbox, Job then) {
  dependencies_.rights.with_rights(dependencies_.mailboxes.find(mailbox), std::move(then));
}

std::optional<std::uint64_t> ChangeRequests::append_limit() const {
  const auto traits = dependencies_.server.traits();
  if (!traits) return std::nullopt;
  return imap::append_limit(traits->capabilities);
}

void ChangeRequests::upload(const Upload& upload, Completion<Arrival> done) {
  dependencies_.server.with_connection([this, upload, done = std::move(done)] {
    with_rights(upload.target.mailbox, [this, upload, done] { dependencies_.changes.upload(upload, done); });
  });
}

void ChangeRequests::copy(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  dependencies_.server.with_connection([this, source, target, reply = std::move(reply)] {
    with_rights(target.mailbox,
                [this, source, target, reply] { dependencies_.changes.copy_message(source, target, reply); });
  });
}

void ChangeRequests::move(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  dependencies_.server.with_connection([this, source, target, reply = std::move(reply)] {
    with_rights(source.message.mailbox, [this, source, target, reply] {
      with_rights(target.mailbox,
                  [this, source, target, reply] { dependencies_.changes.move_message(source, target, reply); });
    });
  });
}

void ChangeRequests::remove(const ChangeSource& source, ChangeReply reply) {
  dependencies_.server.with_connection([this, source, reply = std::move(reply)] {
    with_rights(source.message.mailbox, [this, source, reply] { dependencies_.changes.remove_message(source, reply); });
  });
}

void ChangeRequests::expunge(const ChangeSource& source, ChangeReply reply) {
  dependencies_.server.with_connection(
      [this, source, reply = std::move(reply)] { dependencies_.changes.expunge_message(source, reply); });
}

void ChangeRequests::restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  dependencies_.server.with_connection([this, source, file_name, reply = std::move(reply)] {
    dependencies_.changes.restore_message(source, file_name, reply);
  });
}

void ChangeRequests::set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) {
  const auto mailbox = dependencies_.mailboxes.use(message.mailbox);
  if (!mailbox) return done(fail(no_such_mailbox()));
  dependencies_.flags.set(mailbox, message, change, std::move(done));
}

void ChangeRequests::give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                               Completion<void> done) {
  // A name is ours alone; the message that it takes the place of is the server's.
  if (replaces.uid.value == 0) return dependencies_.changes.give_name(message, name, replaces, std::move(done));
  dependencies_.server.with_connection([this, message, name, replaces, done = std::move(done)] {
    dependencies_.changes.give_name(message, name, replaces, done);
  });
}

void ChangeRequests::drain(MailboxId mailbox, Completion<void> done) {
  if (dependencies_.changes.status().pending == 0) return dependencies_.changes.drain(mailbox, std::move(done));
  dependencies_.server.with_connection(
      [this, mailbox, done = std::move(done)] { dependencies_.changes.drain(mailbox, done); });
}

std::vector<PendingArrival> ChangeRequests::pending_arrivals() const {
  return dependencies_.changes.pending_arrivals();
}

void ChangeRequests::await_change(ChangeId change, Completion<Arrival> finished) {
  dependencies_.changes.await_change(change, std::move(finished));
}

void ChangeRequests::drain_all(std::vector<MailboxId> mailboxes, Completion<void> done) {
  if (mailboxes.empty()) return done({});
  const auto next = mailboxes.back();
  mailboxes.pop_back();
  drain(next, [this, mailboxes = std::move(mailboxes), done = std::move(done)](const Result<void>& result) {
    if (!result) return done(fail(result.error()));
    drain_all(mailboxes, done);
  });
}

}  // namespace imapfs::sync
