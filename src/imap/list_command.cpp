#include <algorithm>
#include <array>
#include <map>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/etpan_session.hpp"
#include "imapfs/imap/response_values.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t max_mailboxes = 200'000;

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
  // Some servers send \NonExistent without \Noselect; attributes come in any case (Cyrus: lower).
  if (iequals(flag, "\\Noselect") || iequals(flag, "\\NonExistent")) mailbox.selectable = false;
  if (iequals(flag, "\\Noinferiors")) mailbox.may_have_children = false;
  if (iequals(flag, "\\Subscribed")) mailbox.subscribed = true;
  for (const auto& known : special_uses) {
    if (iequals(flag, known.flag)) mailbox.special_use = known.use;
  }
}

/// "(\HasNoChildren) "/" INBOX": the mailbox without its decoded name, or nothing if the row makes no sense.
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
  auto name = IMAPFS_TRY(parse_mailbox_name(reader));
  if (!name || name->empty() || name->find_first_of("\r\n") != std::string::npos) return Row();
  mailbox.wire_name = std::move(*name);
  return Row(std::move(mailbox));
}

/// INBOX and what is below it in upper case; a leading delimiter that some servers send is dropped.
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

std::string EtpanSession::decoded(const WireName& name) const {
  return utf8_ ? name : mime::decode_mailbox_name(name).utf8;
}

std::string EtpanSession::status_items() const {
  std::string items = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN";
  if (has("CONDSTORE")) items += " HIGHESTMODSEQ";
  if (has("STATUS=SIZE")) items += " SIZE";
  return items;
}

Result<std::vector<ListedMailbox>> EtpanSession::list(const WireName& wire_reference, const CallContext& context) {
  auto plain = command("LIST");
  plain.string("").string(wire_reference + "*");
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
  // INBOX is always there (RFC 9051 §5.1).
  if (mailboxes) {
    const bool whole = !wire_reference.empty() || has_inbox(*mailboxes);
    return whole ? std::move(mailboxes) : list_plainly(plain, std::move(*mailboxes), context);
  }
  if (mailboxes.error().scope >= Scope::session || mailboxes.error().retry == Retry::later) return mailboxes;
  // Servers that advertise RETURN and refuse it: once is enough, Exchange closes after ten errors.
  telemetry::info("imap: LIST with RETURN failed, going on without: {}", mailboxes.error().what);
  list_return_failed_ = true;
  return list_with(plain, wire_reference, context);
}

/// After a list with RETURN that misses INBOX: if RETURN was to blame, it is not used again.
Result<std::vector<ListedMailbox>> EtpanSession::list_plainly(const CommandLine& plain,
                                                              std::vector<ListedMailbox> extended,
                                                              const CallContext& context) {
  auto mailboxes = IMAPFS_TRY(list_with(plain, "", context));
  if (!has_inbox(mailboxes)) return mailboxes.size() > extended.size() ? mailboxes : extended;
  telemetry::info("imap: LIST with RETURN left INBOX out, going on without");
  list_return_failed_ = true;
  return mailboxes;
}

Result<std::vector<ListedMailbox>> EtpanSession::list_with(const CommandLine& line, const WireName& reference,
                                                           const CallContext& context) {
  std::vector<ListedMailbox> mailboxes;
  std::map<std::string, MailboxStatus> statuses;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("STATUS")) {
      const auto name = IMAPFS_TRY(parse_mailbox_name(reader));
      const auto status = IMAPFS_TRY(parse_status_items(reader));
      if (name && statuses.size() < max_mailboxes) statuses[status_key(*name)] = status;
      return true;
    }
    if (!response.is("LIST")) return false;
    auto row = IMAPFS_TRY(parse_list_row(reader));
    if (!row || (!row->wire_name.starts_with(reference) && !iequals(row->wire_name, "INBOX"))) return true;
    if (mailboxes.size() >= max_mailboxes) {
      return fail(reader.protocol_error(fmt::format("more than {} mailboxes", max_mailboxes)));
    }
    row->name = canonical(decoded(row->wire_name), row->delimiter);
    mailboxes.push_back(std::move(*row));
    return true;
  };
  IMAPFS_TRY(connection_->channel.run(line, handler, context));
  for (auto& mailbox : mailboxes) {
    const auto found = statuses.find(status_key(mailbox.wire_name));
    if (found != statuses.end()) mailbox.status = found->second;
  }
  return mailboxes;
}

Result<MailboxStatus> EtpanSession::status(const WireName& mailbox, const CallContext& context) {
  auto line = command("STATUS");
  line.string(mailbox).word("(" + status_items() + ")");
  IMAPFS_TRY(line.check());
  std::optional<MailboxStatus> answer;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (!response.is("STATUS")) return false;
    const auto name = IMAPFS_TRY(parse_mailbox_name(reader));
    const auto status = IMAPFS_TRY(parse_status_items(reader));
    if (name && status_key(*name) == status_key(mailbox)) answer = status;
    return true;
  };
  IMAPFS_TRY(connection_->channel.run(line, handler, context));
  if (!answer) return fail(EIO, Scope::mailbox, Retry::never, "STATUS: the server answered OK without a status");
  return *answer;
}

}  // namespace imapfs::imap
