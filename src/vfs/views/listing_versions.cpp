#include "vfs/views/listing_versions.hpp"

#include <string>

#include "imapfs/model/identity.hpp"

namespace imapfs::vfs {

bool ListingVersions::unchanged(const sync::MailboxReader& mailboxes, const sync::MailboxNode& mailbox) {
  const auto time = mailboxes.directory_time(mailbox.id);
  const auto table = mailboxes.table(mailbox.id);
  std::uint64_t version = stable_hash(std::to_string(time.seconds), time.nanoseconds);
  version = stable_hash(std::to_string(table ? table->uid_validity().value : 0), version);
  const auto rights = mailboxes.rights(mailbox.id);
  const bool modes[] = {rights.read_only, rights.insert, rights.remove_messages, rights.create_children};
  for (const bool mode : modes) version = stable_hash(mode ? "+" : "-", version);
  for (const auto& [component, id] : mailbox.children) version = stable_hash(component, version ^ id.value);
  return seen_.with_lock([&](auto& seen) {
    const auto [entry, first] = seen.try_emplace(mailbox.id, version);
    const bool same = !first && entry->second == version;
    entry->second = version;
    return same;
  });
}

}  // namespace imapfs::vfs
