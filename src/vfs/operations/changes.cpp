// What the announcer does in the name of the server.

#include <sys/stat.h>

#include <utility>

#include "imapfs/vfs/filesystem.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/operations/filesystem_views.hpp"

namespace imapfs::vfs {

namespace {

bool is_directory(NodeId node) {
  const auto meaning = decode_node(node);
  return meaning && meaning->kind == NodeKind::mailbox;
}

/// What the kernel needs to let go of a name whose message or mailbox is gone. Type and generation match what it knows,
/// or it would drop the inode as stale instead.
Entry entry_of_removed(const sync::Account& account, const Settings& settings, NodeId node) {
  Entry entry;
  entry.node = node;
  const auto meaning = decode_node(node);
  if (!meaning) return entry;
  const auto tree = account.tree();
  const auto* mailbox = resolve_mailbox(*tree, *meaning);
  const auto table = account.table(meaning->mailbox);
  if (meaning->kind == NodeKind::message && mailbox && table) {
    entry = MessageEntries(account, settings, *mailbox, table->uid_validity()).entry(meaning->uid(), 0, 0);
  } else {
    entry.attributes.mode = is_directory(node) ? S_IFDIR | 0700 : S_IFREG | 0600;
    entry.attributes.uid = settings.uid;
    entry.attributes.gid = settings.gid;
    entry.attributes.inode = InodeId{node.value};
  }
  entry.entry_timeout = std::chrono::seconds(0);
  entry.attribute_timeout = std::chrono::seconds(0);
  return entry;
}

}  // namespace

Announcements::Id Filesystem::begin_announcement(Announcement announcement) {
  return announcements_.begin(std::move(announcement));
}

void Filesystem::end_announcement(Announcements::Id id) { announcements_.end(id); }

std::optional<Announcement> Filesystem::announced(const Caller& caller, NodeId parent, const std::string& name,
                                                  Announcement::Kind kind, bool directory) const {
  if (!caller.announcer) return std::nullopt;
  auto announcement = announcements_.find(parent, name);
  if (!announcement || announcement->kind != kind || is_directory(announcement->node) != directory) {
    return std::nullopt;
  }
  return announcement;
}

/// The truth about the node; for one that is gone, what it was.
void Filesystem::announced_entry(const Announcement& announcement, Reply<Entry> reply) {
  auto file = target(announcement.node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->entry(file->node, [this, announcement, reply = std::move(reply)](Result<Entry> entry) {
    if (!entry && announcement.kind == Announcement::Kind::removed) {
      return reply(entry_of_removed(account_, settings_, announcement.node));
    }
    reply(std::move(entry));
  });
}

}  // namespace imapfs::vfs
