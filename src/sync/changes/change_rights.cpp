#include "sync/changes/change_rights.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/changes/change_errors.hpp"

namespace imapfs::sync {
namespace {

Result<void> allow(const MailboxRights& rights, bool right, std::string_view what, const std::string& path) {
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "{} is read-only", telemetry::printable(path));
  if (right) return {};
  return fail(EACCES, Scope::mailbox, Retry::never, "no right to {} in {}", what, telemetry::printable(path));
}

}  // namespace

ChangeRights::ChangeRights(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

Result<void> ChangeRights::check_connection() const {
  if (!dependencies_.online()) return fail(no_connection());
  return {};
}

Result<void> ChangeRights::check(const ChangeRequest& request) const {
  IMAPFS_TRY(check_connection());
  IMAPFS_TRY(check_source(request));
  if (request.kind == ChangeRequestKind::copy || request.kind == ChangeRequestKind::move)
    return check_target(request.target);
  return {};
}

MailboxPointer ChangeRights::mailbox_of(const ChangeSource& source) const {
  if (source.brought_by.value != 0) {
    const auto name = dependencies_.table.with_lock([&](const ChangeTable& table) {
      const auto* const bringing = table.queue.find(source.brought_by);
      return bringing == nullptr ? std::string() : bringing->change.destination;
    });
    if (auto mailbox = dependencies_.locations.mailbox(name)) return mailbox;
  }
  return dependencies_.locations.mailbox(source.message.mailbox);
}

Result<void> ChangeRights::check_source(const ChangeRequest& request) const {
  const auto mailbox = mailbox_of(request.source);
  if (!mailbox) {
    if (request.source.brought_by.value == 0) return fail(no_such_mailbox());
    return {};
  }
  const auto& identity = mailbox->replica.identity();
  const auto rights = mailbox->replica.rights().current();
  if (request.kind != ChangeRequestKind::copy)
    IMAPFS_TRY(allow(rights, rights.remove_messages, "remove messages", identity.path));
  if (request.kind == ChangeRequestKind::expunge) {
    if (!dependencies_.capabilities().has("UIDPLUS"))
      return fail(EOPNOTSUPP, "the server cannot expunge single messages (no UIDPLUS)");
    IMAPFS_TRY(allow(rights, rights.expunge, "expunge messages", identity.path));
  }
  if (request.kind == ChangeRequestKind::remove) IMAPFS_TRY(dependencies_.removals.plan(identity.name));
  return {};
}

Result<void> ChangeRights::check_target(const ArrivalTarget& target) const {
  const auto mailbox = dependencies_.locations.mailbox(target.mailbox);
  if (!mailbox) return fail(no_such_mailbox());
  const auto rights = mailbox->replica.rights().current();
  const auto& identity = mailbox->replica.identity();
  IMAPFS_TRY(allow(rights, rights.insert, "put messages", identity.path));
  if (target.replaces.uid.value == 0) return {};
  IMAPFS_TRY(allow(rights, rights.remove_messages, "remove messages", identity.path));
  IMAPFS_TRY(dependencies_.removals.plan(identity.name));
  return {};
}

Result<void> ChangeRights::check_upload(const Upload& upload, const MailboxPointer& destination) const {
  IMAPFS_TRY(check_connection());
  if (!destination) return fail(no_such_mailbox());
  const auto rights = destination->replica.rights().current();
  const auto& identity = destination->replica.identity();
  IMAPFS_TRY(allow(rights, rights.insert, "put messages", identity.path));
  if (upload.target.replaces.uid.value != 0) IMAPFS_TRY(dependencies_.removals.plan(identity.name));
  const auto limit = imap::append_limit(dependencies_.capabilities());
  if (limit && upload.canonical_size > *limit)
    return fail(EFBIG, "the server takes messages of at most {} bytes", *limit);
  return {};
}

}  // namespace imapfs::sync
