#include "sync/mailbox/rights_questions.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/mailbox/mailbox_sync.hpp"

namespace imapfs::sync {

void RightsQuestions::with_rights(const MailboxPointer& mailbox, Job then) {
  if (!mailbox || !server_.has("ACL") || !server_.online() || !mailbox->replica.rights().wanted()) return then();
  ask(mailbox, imap::Priority::interactive, std::move(then));
}

void RightsQuestions::ask_again(const MailboxPointer& mailbox) {
  mailbox->replica.rights().doubt();
  ask(mailbox, imap::Priority::background, {});
}

void RightsQuestions::after_change(const MailboxPointer& mailbox, const Result<void>& result) {
  if (!mailbox || result || result.error().errnum != EACCES || result.error().lost_connection()) return;
  ask_again(mailbox);
}

void RightsQuestions::ask(const MailboxPointer& mailbox, imap::Priority priority, Job then) {
  server_.ask<void>(
      {.what = fmt::format("rights of {}", telemetry::printable(mailbox->replica.identity().path)),
       .priority = priority},
      [mailbox](imap::Session& session, const CallContext& context) {
        return MailboxSync::ask_rights(mailbox->replica, session, context);
      },
      [mailbox, then = std::move(then)](const Result<void>&) {
        mailbox->replica.news().publish();
        if (then) then();
      });
}

}  // namespace imapfs::sync
