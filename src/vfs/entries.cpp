#include "entries.hpp"

#include <sys/stat.h>

#include "imapfs/model/identity.hpp"
#include "imapfs/vfs/node_tree.hpp"

namespace imapfs::vfs {

namespace {

/// The unit of st_blocks, whatever st_blksize is.
constexpr std::uint64_t octets_per_block = 512;

/// How long a guessed directory time is believed. Not zero: the kernel checks the directory's mode on every path through
/// it, and would ask again for each file that "ls -l" meets while the listing comes.
constexpr std::chrono::milliseconds guess_timeout{100};

}  // namespace

Attributes directory_attributes(const Settings& settings, InodeId inode, std::size_t children, Timestamp time) {
  Attributes attributes;
  attributes.inode = inode;
  attributes.mode = S_IFDIR | (0700 & ~settings.umask);
  attributes.links = static_cast<std::uint32_t>(2 + children);
  attributes.uid = settings.uid;
  attributes.gid = settings.gid;
  attributes.time = time;
  return attributes;
}

Entry mailbox_entry(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox) {
  const auto time = account.directory_time(mailbox.id);
  Entry entry;
  entry.node = mailbox_node(mailbox.id);
  entry.attributes =
      directory_attributes(settings, mailbox.inode, mailbox.children.size(), Timestamp{time.seconds, time.nanoseconds});
  entry.entry_timeout = settings.timeout;
  // The time of a mailbox whose rows are not all known is a guess that the first listing corrects, with no news of it.
  const auto table = account.table(mailbox.id);
  entry.attribute_timeout = settings.timeout;
  if (table && !table->complete()) entry.attribute_timeout = guess_timeout;
  return entry;
}

MessageEntries::MessageEntries(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox,
                               UidValidity validity)
    : settings_(settings),
      mailbox_(mailbox.id),
      // libfuse: "the generation must be non-zero".
      generation_(validity.value == 0 ? 1 : validity.value),
      inode_seed_(message_inode_seed(account.name(), mailbox.path, validity)) {}

Entry MessageEntries::entry(Uid uid, std::uint64_t size, UnixTime internal_date) const {
  Entry entry;
  entry.node = message_node(mailbox_, uid);
  entry.generation = generation_;
  entry.entry_timeout = settings_.timeout;
  entry.attribute_timeout = settings_.timeout;
  auto& attributes = entry.attributes;
  attributes.inode = message_inode(inode_seed_, uid);
  attributes.mode = S_IFREG | (0600 & ~settings_.umask);
  attributes.uid = settings_.uid;
  attributes.gid = settings_.gid;
  attributes.size = size;
  attributes.blocks = size / octets_per_block + (size % octets_per_block != 0);
  attributes.time = Timestamp{internal_date, 0};
  return entry;
}

}  // namespace imapfs::vfs
