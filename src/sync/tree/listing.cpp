#include "sync/tree/listing.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/tree/listing_check.hpp"
#include "sync/tree/stored_listing.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t mailboxes_limit = 100'000;

/// Adds the rows of LIST for a prefix, each mailbox once.
Result<void> add_rows(Listing& listing, std::set<imap::WireName>& known, const imap::WireName& prefix,
                      imap::Session& session, const CallContext& context) {
  auto rows = IMAPFS_TRY(session.list(prefix, context));
  for (auto& row : rows) {
    if (listing.mailboxes.size() >= mailboxes_limit) break;
    if (row.name.find(namespace_mark) == 0 || !known.insert(row.wire_name).second) continue;
    listing.mailboxes.push_back(std::move(row));
  }
  return {};
}

}  // namespace

Result<Listing> list_mailboxes(imap::Session& session, const std::vector<imap::WireName>& known_names,
                               const std::vector<imap::Namespace>& known_spaces, const CallContext& context) {
  Listing listing;
  auto namespaces = session.namespaces(context);
  if (!namespaces && namespaces.error().lost_connection()) return fail(std::move(namespaces).error());
  // NAMESPACE is optional: without it everything is in the personal namespace without a prefix.
  if (namespaces) listing.namespaces = std::move(*namespaces);
  const bool may_be_no_answer = !has_prefix(listing.namespaces);
  std::set<imap::WireName> known;
  // INBOX is outside a personal prefix such as "Mail/".
  IMAPFS_TRY(add_rows(listing, known, "", session, context));
  // Paths depend on prefixes: keep known prefixes that names still have.
  if (may_be_no_answer && are_prefixes_of(known_spaces, known)) listing.namespaces = known_spaces;
  for (const auto& space : listing.namespaces) {
    if (space.wire_prefix.empty()) continue;
    if (are_prefixes_of({space}, known)) continue;
    auto listed = add_rows(listing, known, space.wire_prefix, session, context);
    if (!listed) IMAPFS_TRY(check_refusal(space, known_names, listed.error()));
    if (!listed) telemetry::warning("list namespace: {}", telemetry::printable(listed.error().what));
  }
  IMAPFS_TRY(check_listing(listing.mailboxes, known_names, listing.namespaces, session, context));
  return listing;
}

bool lists(const Listing& listing, const ServerName& name, bool selectable) {
  return std::any_of(listing.mailboxes.begin(), listing.mailboxes.end(), [&](const auto& row) {
    if (selectable) return row.wire_name == name.wire && row.selectable;
    return row.wire_name == name.wire || name.is_above(row.wire_name);
  });
}

std::vector<imap::WireName> selectable_names(const Listing& listing) {
  std::vector<imap::WireName> names;
  for (const auto& mailbox : listing.mailboxes)
    if (mailbox.selectable) names.push_back(mailbox.wire_name);
  return names;
}

}  // namespace imapfs::sync
