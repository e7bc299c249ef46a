#include "imapfs/sync/mailbox_replica.hpp"

namespace imapfs::sync {

void MailboxReplica::hide(const UidSet&) {}
void MailboxReplica::show_again(const UidSet&) {}
void MailboxReplica::begin_arrivals() {}
void MailboxReplica::end_arrivals(UidValidity, const std::vector<OwnArrival>&) {}
void MailboxReplica::set_local_name(Uid, const std::string&) {}
void MailboxReplica::load_local_names(const std::vector<store::LocalName>&) {}
void MailboxReplica::note_rights(const std::optional<std::string>&) {}
void MailboxReplica::note_selection(const imap::SelectedMailbox&) {}
MailboxRights MailboxReplica::rights() const { return {}; }

}  // namespace imapfs::sync
