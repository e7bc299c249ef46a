#include <algorithm>
#include <array>
#include <map>

#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::imap {
namespace {

/// For the names in the rows of one LIST. On its way to a directory a mailbox takes several times its name's length.
constexpr std::size_t max_list_bytes = 16 << 20;
/// The memory of a row besides its names.
constexpr std::size_t row_bytes = 64;

struct SpecialUseName {
  std::string_view flag;
  SpecialUse use;
};
constexpr std::array<SpecialUseName, 8> special_uses = {{
    {"\\All", SpecialUse::all},
    {"\\Archive", SpecialUse::archive},
    {"\\Drafts", SpecialUse::drafts},
    {"\\Flagged", SpecialUse::flagged},
    {"\\Junk", SpecialUse::junk},
    {"\\Sent", SpecialUse::sent},
    {"\\Trash", SpecialUse::trash},
    {"\\Important", SpecialUse::important},
}};

void note_flag(ListedMailbox& mailbox, std::string_view flag) {
  // Some servers send \NonExistent without \Noselect. Attributes come in any case (Cyrus: lower).
  if (iequals(flag, "\\Noselect") || iequals(flag, "\\NonExistent")) mailbox.selectable = false;
  if (iequals(flag, "\\Noinferiors")) mailbox.may_have_children = false;
  if (iequals(flag, "\\Subscribed")) mailbox.subscribed = true;
  for (const auto& known : special_uses) {
    if (iequals(flag, known.flag)) mailbox.special_use = known.use;
  }
}

/// Parses "(\HasNoChildren) "/" INBOX": a mailbox without its decoded name, or nothing if the row makes no sense.
Result<std::optional<ListedMailbox>> parse_list_row(ResponseReader& reader) {
  using Row = std::optional<ListedMailbox>;
  ListedMailbox mailbox;
  if (!reader.accept('(')) return Row();
  while (!reader.at_end() && !reader.accept(')')) {
    reader.skip_spaces();
    const auto flag = reader.atom();
    if (flag.empty() && reader.peek() == '(') reader.skip(1);
    note_flag(mailbox, flag);
  }
  reader.skip_spaces();
  std::string storage;
  const auto delimiter = IMAPFS_TRY(reader.string(storage, 8));
  if (delimiter && delimiter->size() == 1) mailbox.delimiter = delimiter->front();
  auto name = IMAPFS_TRY(parse_last_name(reader));
  if (!name || name->empty() || name->find_first_of("\r\n") != std::string::npos) return Row();
  mailbox.wire_name = std::move(*name);
  return Row(std::move(mailbox));
}

/// INBOX and names below it in upper case. Drops a leading delimiter, which some servers send.
std::string canonical(std::string name, char delimiter) {
  constexpr std::string_view inbox = "INBOX";
  if (delimiter != 0 && name.size() > 1 && name.front() == delimiter) name.erase(0, 1);
  const auto head = std::string_view(name).substr(0, inbox.size());
  const bool whole = name.size() == inbox.size() || (name.size() > inbox.size() && name[inbox.size()] == delimiter);
  if (whole && iequals(head, inbox)) name.replace(0, inbox.size(), inbox);
  return name;
}

bool has_inbox(const std::vector<ListedMailbox>& mailboxes) {
  return std::any_of(mailboxes.begin(), mailboxes.end(), [](const auto& mailbox) { return mailbox.name == "INBOX"; });
}

std::string status_key(const WireName& name) { return iequals(name, "INBOX") ? "INBOX" : name; }

}  // namespace

std::string ImapSession::on_wire(const WireName& name) const {
  return login_.utf8 ? mime::decode_mailbox_name(name).utf8 : name;
}

WireName ImapSession::from_wire(std::string name) const {
  if (!login_.utf8) return name;
  auto encoded = mime::encode_mailbox_name(name);
  return encoded ? std::move(*encoded) : name;
}

std::string ImapSession::status_items() const {
  std::string items = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN";
  if (has("CONDSTORE")) items += " HIGHESTMODSEQ";
  if (has("STATUS=SIZE")) items += " SIZE";
  return items;
}

Result<std::vector<ListedMailbox>> ImapSession::list(const WireName& wire_reference, const CallContext& context) {
  auto plain = command("LIST");
  plain.string("").string(on_wire(wire_reference) + "*");
  IMAPFS_TRY(plain.check());
  const bool extended = has("LIST-EXTENDED") || has("IMAP4REV2");
  const bool unusable = list_return_failed_ || login_.traits.has(Quirk::no_list_return);
  if (unusable || (!extended && !has("LIST-STATUS"))) return list_with(plain, wire_reference, context);

  std::string options;
  if (extended) options += " SUBSCRIBED CHILDREN";
  if (has("SPECIAL-USE")) options += " SPECIAL-USE";
  if (has("LIST-STATUS")) options += " STATUS (" + status_items() + ")";
  auto with_return = plain;
  with_return.word("RETURN (" + options.substr(1) + ")");
  auto mailboxes = list_with(with_return, wire_reference, context);
  // Every account has INBOX (RFC 9051 §5.1); a list of everything without it is not complete.
  if (mailboxes) {
    const bool whole = !wire_reference.empty() || has_inbox(*mailboxes);
    return whole ? std::move(mailboxes) : list_plainly(plain, std::move(*mailboxes), context);
  }
  if (mailboxes.error().lost_connection() || mailboxes.error().retry == Retry::later) return mailboxes;
  // Some servers advertise RETURN and refuse it. Do not repeat it: Exchange closes the connection after ten errors.
  telemetry::info("imap: LIST with RETURN failed, going on without: {}", mailboxes.error().what);
  list_return_failed_ = true;
  return list_with(plain, wire_reference, context);
}

/// The list with RETURN misses INBOX: lists without RETURN, and does not use it again if it was to blame.
Result<std::vector<ListedMailbox>> ImapSession::list_plainly(const CommandLine& plain,
                                                             std::vector<ListedMailbox> extended,
                                                             const CallContext& context) {
  auto mailboxes = IMAPFS_TRY(list_with(plain, "", context));
  if (!has_inbox(mailboxes)) return mailboxes.size() > extended.size() ? mailboxes : extended;
  telemetry::info("imap: LIST with RETURN left INBOX out, going on without");
  list_return_failed_ = true;
  return mailboxes;
}

Result<std::vector<ListedMailbox>> ImapSession::list_with(const CommandLine& line, const WireName& reference,
                                                          const CallContext& context) {
  std::vector<ListedMailbox> mailboxes;
  std::map<std::string, MailboxStatus> statuses;
  std::size_t bytes = 0;
  const auto bounded = [&](const ResponseReader& reader, const WireName& name) -> Result<void> {
    bytes += name.size() + row_bytes;
    if (bytes <= max_list_bytes) return {};
    auto error = reader.protocol_error(fmt::format("names of mailboxes of more than {} octets", max_list_bytes));
    error.retry = Retry::never;
    return fail(std::move(error));
  };
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("STATUS")) {
      auto name = IMAPFS_TRY(parse_name_before(reader, Following::list));
      const auto status = IMAPFS_TRY(parse_status_items(reader));
      if (!name) return true;
      IMAPFS_TRY(bounded(reader, *name));
      statuses[status_key(from_wire(std::move(*name)))] = status;
      return true;
    }
    if (!response.is("LIST")) return false;
    auto row = IMAPFS_TRY(parse_list_row(reader));
    if (!row) return true;
    IMAPFS_TRY(bounded(reader, row->wire_name));
    row->wire_name = from_wire(std::move(row->wire_name));
    if (!row->wire_name.starts_with(reference) && !iequals(row->wire_name, "INBOX")) return true;
    row->name = canonical(mime::decode_mailbox_name(row->wire_name).utf8, row->delimiter);
    mailboxes.push_back(std::move(*row));
    return true;
  };
  IMAPFS_TRY(connection_->runner.run(line, handler, context));
  for (auto& mailbox : mailboxes) {
    const auto found = statuses.find(status_key(mailbox.wire_name));
    if (found != statuses.end()) mailbox.status = found->second;
  }
  return mailboxes;
}

Result<MailboxStatus> ImapSession::status(const WireName& mailbox, const CallContext& context) {
  auto line = command("STATUS");
  line.string(on_wire(mailbox)).word("(" + status_items() + ")");
  IMAPFS_TRY(line.check());
  auto& unsolicited = connection_->channel.unsolicited();
  std::optional<MailboxStatus> answer;
  // A STATUS with another name is the answer in another spelling, or news (NOTIFY). It counts as the answer if it is
  // the only one.
  std::optional<std::pair<WireName, MailboxStatus>> other;
  bool several_others = false;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (!response.is("STATUS")) return false;
    auto name = IMAPFS_TRY(parse_name_before(reader, Following::list));
    const auto status = IMAPFS_TRY(parse_status_items(reader));
    auto known = from_wire(name ? std::move(*name) : std::string());
    if (status_key(known) == status_key(mailbox)) {
      answer = status;
      return true;
    }
    if (other) unsolicited.deliver_status(other->first, other->second);
    several_others = several_others || other.has_value();
    other.emplace(std::move(known), status);
    return true;
  };
  IMAPFS_TRY(connection_->runner.run(line, handler, context));
  if (!answer && other && !several_others) return other->second;
  if (other) unsolicited.deliver_status(other->first, other->second);
  if (!answer) return fail(EIO, Scope::mailbox, Retry::never, "STATUS: the server answered OK without a status");
  return *answer;
}

}  // namespace imapfs::imap
