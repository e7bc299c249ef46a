#include "sync/tree/listing_check.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {
namespace {

/// How many missing mailboxes to ask for by name. A list that was cut off misses its end, so a few names show it.
constexpr std::size_t asked_by_name = 3;
/// A list that misses no more than this many is believed: so many may have been removed one by one.
constexpr std::size_t few = 3;

tl::unexpected<Error> no_answer(std::string_view why) {
  return fail(EIO, Scope::mailbox, Retry::later, "the server's list of mailboxes is not believed: {}", why);
}

Result<void> is_not_there(const imap::WireName& name, imap::Session& session, const CallContext& context) {
  const auto status = session.status(name, context);
  if (status) return no_answer("it misses mailboxes that are there");
  if (status.error().lost_connection()) return fail(Error(status.error()));
  if (status.error().retry != Retry::never) return no_answer("the server does not say what became of those it misses");
  return {};
}

std::vector<imap::WireName> missing_of(const std::vector<imap::WireName>& known,
                                       const std::set<imap::WireName>& names) {
  std::vector<imap::WireName> missing;
  std::copy_if(known.begin(), known.end(), std::back_inserter(missing),
               [&](const imap::WireName& name) { return !names.contains(name); });
  return missing;
}

/// The first name, the last one and one in the middle.
std::vector<imap::WireName> some_of(const std::vector<imap::WireName>& names) {
  if (names.size() <= asked_by_name) return names;
  return {names.front(), names[names.size() / 2], names.back()};
}

bool is_below(const imap::WireName& name, const imap::Namespace& space) {
  return !space.wire_prefix.empty() && name.size() > space.wire_prefix.size() && name.starts_with(space.wire_prefix);
}

std::vector<imap::WireName> those_below(const imap::Namespace& space, const std::vector<imap::WireName>& names) {
  std::vector<imap::WireName> below;
  std::copy_if(names.begin(), names.end(), std::back_inserter(below),
               [&](const imap::WireName& name) { return is_below(name, space); });
  return below;
}

}  // namespace

bool has_prefix(const std::vector<imap::Namespace>& namespaces) {
  return std::any_of(namespaces.begin(), namespaces.end(),
                     [](const imap::Namespace& space) { return !space.wire_prefix.empty(); });
}

bool are_prefixes_of(const std::vector<imap::Namespace>& namespaces, const std::set<imap::WireName>& names) {
  return std::any_of(namespaces.begin(), namespaces.end(), [&](const imap::Namespace& space) {
    return std::any_of(names.begin(), names.end(), [&](const imap::WireName& name) { return is_below(name, space); });
  });
}

Result<void> check_refusal(const imap::Namespace& space, const std::vector<imap::WireName>& known,
                           const Error& refusal) {
  if (refusal.lost_connection()) return fail(Error(refusal));
  if (those_below(space, known).empty()) return {};
  return no_answer("it is refused for a namespace with mailboxes that are known");
}

Result<void> check_listing(const std::vector<imap::ListedMailbox>& listed, const std::vector<imap::WireName>& known,
                           const std::vector<imap::Namespace>& namespaces, imap::Session& session,
                           const CallContext& context) {
  if (listed.empty()) return no_answer("it is empty");
  std::set<imap::WireName> names;
  bool has_inbox = false;
  for (const auto& mailbox : listed) {
    has_inbox = has_inbox || mailbox.name == "INBOX";
    if (mailbox.selectable) names.insert(mailbox.wire_name);
  }
  const auto missing = missing_of(known, names);
  if (!has_inbox) {
    const auto had_inbox = std::any_of(known.begin(), known.end(), [](const auto& name) { return is_inbox(name); });
    if (had_inbox) return no_answer("it has no INBOX");
    IMAPFS_TRY(is_not_there("INBOX", session, context));
  }
  std::vector<imap::WireName> asked;
  if (missing.size() > few || missing.size() * 2 > known.size()) asked = some_of(missing);
  for (const auto& space : namespaces) {
    const auto gone = those_below(space, missing);
    if (gone.size() != those_below(space, known).size()) continue;
    for (const auto& name : some_of(gone)) asked.push_back(name);
  }
  for (const auto& name : asked) IMAPFS_TRY(is_not_there(name, session, context));
  return {};
}

}  // namespace imapfs::sync
