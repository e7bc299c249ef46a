#include <algorithm>
#include <utility>

#include "imap/commands/change_support.hpp"
#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t max_rights = 64;

bool same_mailbox(std::string_view left, std::string_view right) {
  return left == right || (iequals(left, "INBOX") && iequals(right, "INBOX"));
}

bool is_right(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// RFC 4314 §2.1.1: servers of RFC 2086 write "c" and "d" for "kx" and "te".
std::string in_new_letters(std::string rights) {
  if (rights.find_first_of("kxte") != std::string::npos) return rights;
  if (rights.find('c') != std::string::npos) rights += "kx";
  if (rights.find('d') != std::string::npos) rights += "te";
  return rights;
}

}  // namespace

/// Some servers refuse to remove or rename the selected mailbox ([INUSE]), and none tells what is selected afterwards.
Result<void> ImapSession::leave(const WireName& mailbox, const CallContext& context) {
  if (selected().empty() || !selected().starts_with(mailbox)) return {};
  if (has("UNSELECT")) {  // never CLOSE: it expunges
    auto left = run_change(command("UNSELECT"), nullptr, context);
    if (!left && left.error().lost_connection()) return fail(std::move(left).error());
  }
  selection_.forget();
  return {};
}

Result<void> ImapSession::create_mailbox(const WireName& mailbox, const CallContext& context) {
  IMAPFS_TRY(run_change(command("CREATE").string(on_wire(mailbox)), nullptr, context));
  return {};
}

Result<void> ImapSession::delete_mailbox(const WireName& mailbox, const CallContext& context) {
  IMAPFS_TRY(leave(mailbox, context));
  IMAPFS_TRY(run_change(command("DELETE").string(on_wire(mailbox)), nullptr, context));
  return {};
}

Result<void> ImapSession::rename_mailbox(const WireName& from, const WireName& to, const CallContext& context) {
  IMAPFS_TRY(leave(from, context));
  IMAPFS_TRY(run_change(command("RENAME").string(on_wire(from)).string(on_wire(to)), nullptr, context));
  return {};
}

Result<void> ImapSession::subscribe(const WireName& mailbox, bool subscribed, const CallContext& context) {
  IMAPFS_TRY(run_change(command(subscribed ? "SUBSCRIBE" : "UNSUBSCRIBE").string(on_wire(mailbox)), nullptr, context));
  return {};
}

Result<std::optional<std::string>> ImapSession::my_rights(const WireName& mailbox, const CallContext& context) {
  std::optional<std::string> rights;
  if (!has("ACL")) return rights;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (!response.is("MYRIGHTS")) return false;
    auto name = IMAPFS_TRY(parse_name_before(reader, Following::word));
    reader.skip_spaces();
    std::string storage;
    const auto letters = IMAPFS_TRY(reader.string(storage, max_rights)).value_or("");
    if (!name || !same_mailbox(from_wire(std::move(*name)), mailbox)) return true;
    std::string known;
    std::copy_if(letters.begin(), letters.end(), std::back_inserter(known), is_right);
    rights = in_new_letters(std::move(known));
    return true;
  };
  auto answer = connection_->runner.run(command("MYRIGHTS").string(on_wire(mailbox)), handler, context);
  if (!answer) return fail(not_again_by_itself(std::move(answer).error()));
  return rights;
}

}  // namespace imapfs::imap
