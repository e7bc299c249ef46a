#include "sync/tree/stored_listing.hpp"

#include <utility>
#include <vector>

namespace imapfs::sync {
namespace {

store::StoredMailbox to_row(const imap::Namespace& space) {
  store::StoredMailbox row;
  row.name = std::string{namespace_mark, static_cast<char>('0' + static_cast<int>(space.kind))} + space.prefix;
  row.wire_name = space.wire_prefix;
  row.delimiter = space.delimiter;
  row.selectable = false;
  return row;
}

std::optional<imap::Namespace> to_namespace(const store::StoredMailbox& row) {
  if (row.name.size() < 2 || row.name[0] != namespace_mark || row.name[1] < '0' || row.name[1] > '2')
    return std::nullopt;
  imap::Namespace space;
  space.kind = static_cast<imap::Namespace::Kind>(row.name[1] - '0');
  space.prefix = row.name.substr(2);
  space.wire_prefix = row.wire_name;
  space.delimiter = row.delimiter;
  return space;
}

}  // namespace

std::optional<Listing> stored_listing(store::MetadataStore& metadata) {
  Listing listing;
  for (const auto& row : metadata.mailboxes()) {
    if (auto space = to_namespace(row)) {
      listing.namespaces.push_back(std::move(*space));
      continue;
    }
    imap::ListedMailbox mailbox;
    mailbox.name = row.name;
    mailbox.wire_name = row.wire_name;
    mailbox.delimiter = row.delimiter;
    mailbox.selectable = row.selectable;
    mailbox.special_use = row.special_use;
    listing.mailboxes.push_back(std::move(mailbox));
  }
  if (listing.mailboxes.empty()) return std::nullopt;
  return listing;
}

void store_listing(const Listing& listing, StoreWriter& store) {
  std::vector<store::StoredMailbox> rows;
  for (const auto& space : listing.namespaces) rows.push_back(to_row(space));
  for (const auto& mailbox : listing.mailboxes)
    rows.push_back({mailbox.name, mailbox.wire_name, mailbox.delimiter, mailbox.selectable, mailbox.special_use});
  store.post([rows = std::move(rows)](store::MetadataStore& metadata) { metadata.replace_mailboxes(rows); });
}

}  // namespace imapfs::sync
