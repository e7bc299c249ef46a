#include "vfs/nodes/entries.hpp"

#include <sys/stat.h>

#include "imapfs/model/identity.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

/// The unit of st_blocks, whatever st_blksize is.
constexpr std::uint64_t bytes_per_block = 512;

/// How long a guessed directory time is believed. Not zero: the kernel checks the directory's mode on every path
/// through it, and would ask again for each file that "ls -l" meets while the listing comes.
constexpr std::chrono::milliseconds guess_timeout{100};

/// A message on its way may be shown with another mode when it has arrived, with no news of it.
constexpr std::chrono::milliseconds pending_timeout{1000};

/// Staged files have inode numbers below those of messages.
constexpr std::uint64_t staged_inodes = std::uint64_t{1} << 59;

/// A directory in which nothing can be made or removed shows it.
mode_t directory_mode(const sync::MailboxRights& rights) {
  if (rights.read_only) return 0500;
  return rights.insert || rights.remove_messages || rights.create_children ? 0700 : 0500;
}

/// Writing to a message appends a new one and removes the old one.
mode_t message_mode(const sync::MailboxRights& rights) {
  return !rights.read_only && rights.insert && rights.remove_messages ? 0600 : 0400;
}

Attributes file_attributes(const Settings& settings, InodeId inode, mode_t mode, std::uint64_t size, Timestamp time) {
  Attributes attributes;
  attributes.inode = inode;
  attributes.mode = S_IFREG | shown_permissions(settings, mode);
  attributes.uid = settings.uid;
  attributes.gid = settings.gid;
  attributes.size = size;
  attributes.blocks = size / bytes_per_block + (size % bytes_per_block != 0);
  attributes.time = time;
  return attributes;
}

InodeId staged_inode(std::uint32_t index) { return InodeId{staged_inodes | index}; }

/// The inode number of what the node's number names. A node keeps it when it stands for another message: cp and tail
/// compare the numbers of one file at two moments, and give up where they differ. Nothing if the mailbox is gone.
std::optional<InodeId> named_inode(const sync::Account& account, NodeId node, std::uint64_t generation) {
  const auto decoded = decode_node(node);
  if (!decoded) return std::nullopt;
  if (decoded->kind == NodeKind::staged) return staged_inode(decoded->index);
  if (decoded->kind != NodeKind::message) return std::nullopt;
  const auto tree = account.mailboxes().tree();
  const auto* mailbox = tree->find(decoded->mailbox);
  if (!mailbox) return std::nullopt;
  const UidValidity validity{static_cast<std::uint32_t>(generation)};
  return message_inode(message_inode_seed(account.name(), mailbox->path, validity), decoded->uid());
}

}  // namespace

mode_t shown_permissions(const Settings& settings, mode_t owner) {
  const mode_t everybody = settings.shared ? owner >> 3 | owner >> 6 : 0;
  return (owner | everybody) & ~settings.umask;
}

Attributes directory_attributes(const Settings& settings, InodeId inode, std::size_t children, Timestamp time) {
  Attributes attributes;
  attributes.inode = inode;
  attributes.mode = S_IFDIR | shown_permissions(settings, 0700);
  attributes.links = static_cast<std::uint32_t>(2 + children);
  attributes.uid = settings.uid;
  attributes.gid = settings.gid;
  attributes.time = time;
  return attributes;
}

Entry mailbox_entry(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox) {
  const auto time = account.mailboxes().directory_time(mailbox.id);
  Entry entry;
  entry.node = mailbox_node(mailbox.id);
  entry.attributes = directory_attributes(settings, mailbox.inode, mailbox.children.size(),
                                          Timestamp{time.seconds, time.nanoseconds});
  if (mailbox.id.value != 0) {
    entry.attributes.mode = S_IFDIR |
                            shown_permissions(settings, directory_mode(account.mailboxes().rights(mailbox.id)));
  }
  entry.entry_timeout = settings.timeout;
  // The time of a mailbox whose rows are not all known is a guess that the first listing corrects, with no news of it.
  const auto table = account.mailboxes().table(mailbox.id);
  entry.attribute_timeout = settings.timeout;
  if (table && !table->complete()) entry.attribute_timeout = guess_timeout;
  return entry;
}

Entry staged_entry(const Settings& settings, NodeId node, std::uint64_t size, Timestamp time) {
  Entry entry;
  entry.node = node;
  entry.entry_timeout = settings.timeout;
  entry.attributes = file_attributes(settings, staged_inode(static_cast<std::uint32_t>(node.value)), 0600, size, time);
  return entry;
}

Entry pending_entry(const sync::Account& account, const Settings& settings, const LocalEntry& local) {
  const auto& meta = local.meta;
  auto entry = staged_entry(settings, local.node, meta.size, Timestamp{meta.internal_date, 0});
  entry.generation = local.generation;
  entry.attribute_timeout = pending_timeout;
  if (const auto inode = named_inode(account, local.node, local.generation)) entry.attributes.inode = *inode;
  return entry;
}

MessageEntries::MessageEntries(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox,
                               UidValidity validity, const NodeResolver* nodes)
    : account_(account), settings_(settings), mailbox_(mailbox.id), validity_(validity),
      generation_(generation_of(validity)), inode_seed_(message_inode_seed(account.name(), mailbox.path, validity)),
      mode_(message_mode(account.mailboxes().rights(mailbox.id))),
      nodes_(nodes && !nodes->all_messages_have_their_own() ? nodes : nullptr) {}

Entry MessageEntries::own_entry(Uid uid, std::uint64_t size, UnixTime internal_date) const {
  Entry entry;
  entry.node = message_node(mailbox_, uid);
  entry.generation = generation_;
  entry.entry_timeout = settings_.timeout;
  entry.attribute_timeout = settings_.timeout;
  entry.attributes = file_attributes(settings_, message_inode(inode_seed_, uid), mode_, size,
                                     Timestamp{internal_date, 0});
  return entry;
}

void MessageEntries::use_kernel_node(Entry& entry) const {
  if (!nodes_) return;
  const Uid uid{static_cast<std::uint32_t>(entry.node.value)};
  if (const auto kernel = nodes_->kernel_node({mailbox_, validity_, uid}))
    use_node(entry, kernel->node, kernel->generation);
}

void MessageEntries::use_node(Entry& entry, NodeId node, std::uint64_t generation) const {
  entry.node = node;
  entry.generation = generation;
  if (const auto inode = named_inode(account_, node, generation)) entry.attributes.inode = *inode;
}

Entry MessageEntries::entry(Uid uid, std::uint64_t size, UnixTime internal_date) const {
  auto made = own_entry(uid, size, internal_date);
  use_kernel_node(made);
  return made;
}

}  // namespace imapfs::vfs
