#include "sync/account_mailboxes.hpp"

#include <utility>

#include "imapfs/sync/errors.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {

std::shared_ptr<const MailboxTree> AccountMailboxes::tree() const { return dependencies_.tree.tree(); }

void AccountMailboxes::freshen_tree(Completion<void> done) { dependencies_.tree_sync.freshen(std::move(done)); }

MailboxRights AccountMailboxes::rights(MailboxId id) const { return dependencies_.rights.of(id); }

std::shared_ptr<const MessageTable> AccountMailboxes::table(MailboxId id) const {
  const auto mailbox = dependencies_.mailboxes.find(id);
  return mailbox ? mailbox->replica.table() : nullptr;
}

DirectoryTime AccountMailboxes::directory_time(MailboxId id) const {
  DirectoryTime time = unwitnessed_directory_time({}, {}, 0);
  if (const auto mailbox = dependencies_.mailboxes.find(id)) {
    const auto listed = mailbox->activity.with_lock([](const auto& activity) { return activity.listed; });
    time = mailbox->replica.record().directory_time(listed);
  }
  // Child mailboxes are content too.
  const auto shown = dependencies_.tree.tree();
  const auto* const node = shown->find(id);
  if (node != nullptr && !node->children.empty())
    time.nanoseconds = static_cast<std::uint32_t>((time.nanoseconds + node->children_hash) % 1'000'000'000);
  return time;
}

void AccountMailboxes::freshen(MailboxId id, Completion<void> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  dependencies_.syncs.freshen(mailbox, std::move(done));
}

void AccountMailboxes::await_rows(MailboxId id, Uid after, Completion<void> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  dependencies_.syncs.await_rows(mailbox, after, std::move(done));
}

void AccountMailboxes::find_message(MailboxId id, const std::string& name, Completion<MessageMeta> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  dependencies_.finder.find(mailbox, name, std::move(done));
}

void AccountMailboxes::find_message(MailboxId id, Uid uid, Completion<MessageMeta> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  if (uid.value == 0) return done(fail(no_such_message()));
  dependencies_.finder.find(mailbox, uid, std::move(done));
}

void AccountMailboxes::details(MailboxId id, Uid uid, Completion<MessageDetails> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  dependencies_.details.read(mailbox, uid, done);
}

}  // namespace imapfs::sync
