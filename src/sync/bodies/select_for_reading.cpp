#include "sync/bodies/select_for_reading.hpp"

namespace imapfs::sync {

Result<void> select_for_reading(const BodyFetcher::Request& wanted, imap::Session& session,
                                const CallContext& context) {
  if (wanted.is_current && !wanted.is_current()) {
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  }
  // A session may still have a mailbox selected that was removed and recreated under its name (RFC 2180 §3.1).
  const auto told = session.selection().uid_validity.value_or(wanted.key.uid_validity);
  if (session.selected() == wanted.wire_name && told == wanted.key.uid_validity) return {};
  imap::Session::SelectRequest request;
  request.mailbox = wanted.wire_name;
  const auto selected = IMAPFS_TRY(session.select(request, context));
  const auto validity = selected.uid_validity.value_or(wanted.key.uid_validity);
  // Scope session, so that no later fetch finds the mailbox selected with the wrong UIDVALIDITY.
  if (validity != wanted.key.uid_validity) {
    return fail(ESTALE, Scope::session, Retry::never, "the mailbox has UIDVALIDITY {} now", validity.value);
  }
  return {};
}

}  // namespace imapfs::sync
