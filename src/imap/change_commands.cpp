#include "imapfs/imap/etpan_session.hpp"

namespace imapfs::imap {
namespace {

Error not_yet() { return {EOPNOTSUPP, Scope::request, Retry::never, "not possible yet"}; }

}  // namespace

Result<AppendedMessage> EtpanSession::append(const AppendRequest&, AppendSource&, const CallContext&) {
  return fail(not_yet());
}
Result<CopiedMessages> EtpanSession::copy(const UidSet&, const WireName&, const CallContext&) {
  return fail(not_yet());
}
Result<CopiedMessages> EtpanSession::move(const UidSet&, const WireName&, const CallContext&) {
  return fail(not_yet());
}
Result<void> EtpanSession::store_flags(const UidSet&, const FlagChange&, const CallContext&) { return fail(not_yet()); }
Result<void> EtpanSession::expunge(const UidSet&, const CallContext&) { return fail(not_yet()); }
Result<void> EtpanSession::create_mailbox(const WireName&, const CallContext&) { return fail(not_yet()); }
Result<void> EtpanSession::delete_mailbox(const WireName&, const CallContext&) { return fail(not_yet()); }
Result<void> EtpanSession::rename_mailbox(const WireName&, const WireName&, const CallContext&) {
  return fail(not_yet());
}
Result<void> EtpanSession::subscribe(const WireName&, bool, const CallContext&) { return fail(not_yet()); }
Result<std::optional<std::string>> EtpanSession::my_rights(const WireName&, const CallContext&) {
  return std::nullopt;
}


std::optional<std::uint64_t> append_limit(const Capabilities&) { return std::nullopt; }

}  // namespace imapfs::imap
