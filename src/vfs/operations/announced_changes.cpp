#include "vfs/operations/announced_changes.hpp"

#include <sys/stat.h>

#include <utility>

#include "vfs/nodes/entries.hpp"

namespace imapfs::vfs {

namespace {

bool is_mailbox(NodeId node) {
  const auto decoded = decode_node(node);
  return decoded && decoded->kind == NodeKind::mailbox;
}

}  // namespace

std::optional<Announcement> AnnouncedChanges::find(const Caller& caller, NodeId parent, const std::string& name) const {
  return caller.announcer ? standing_.find(parent, name) : std::nullopt;
}

std::optional<Announcement> AnnouncedChanges::find(const Caller& caller, NodeId node) const {
  return caller.announcer ? standing_.find(node) : std::nullopt;
}

std::optional<Announcement> AnnouncedChanges::find_change(const Caller& caller, NodeId parent, const std::string& name,
                                                          Announcement::Kind kind, bool directory) const {
  auto announcement = find(caller, parent, name);
  if (!announcement || announcement->kind != kind || is_mailbox(announcement->node) != directory) return std::nullopt;
  return announcement;
}

void AnnouncedChanges::entry(const Announcement& announcement, Reply<Entry> reply) const {
  views_.entry(announcement.node, [this, announcement, reply = std::move(reply)](Result<Entry> entry) {
    if (!entry && announcement.kind == Announcement::Kind::removed) return reply(entry_of_removed(announcement.node));
    reply(std::move(entry));
  });
}

/// What the kernel needs to let go of a name whose message or mailbox is gone. Type and generation match what it knows,
/// or it would drop the inode as stale instead.
Entry AnnouncedChanges::entry_of_removed(NodeId node) const {
  Entry entry;
  entry.node = node;
  const auto decoded = decode_node(node);
  if (!decoded) return entry;
  const auto tree = account_.mailboxes().tree();
  const auto* mailbox = tree->find(decoded->mailbox);
  const auto table = account_.mailboxes().table(decoded->mailbox);
  if (decoded->kind == NodeKind::message && mailbox && table) {
    entry = MessageEntries(account_, settings_, *mailbox, table->uid_validity()).entry(decoded->uid(), 0, 0);
  } else {
    entry.attributes.mode = is_mailbox(node) ? S_IFDIR | 0700 : S_IFREG | 0600;
    entry.attributes.uid = settings_.uid;
    entry.attributes.gid = settings_.gid;
    entry.attributes.inode = InodeId{node.value};
  }
  entry.entry_timeout = std::chrono::seconds(0);
  entry.attribute_timeout = std::chrono::seconds(0);
  return entry;
}

}  // namespace imapfs::vfs
