#pragma once
// Every operation of the file system, with no FUSE in it. What each means to a user is in imapfs(7).
//
// No method blocks. A Reply is called exactly once, within the call when memory has the answer, otherwise when the
// account completes; never with a lock held. Any thread. Deadlines are the caller's, except that a read for which
// waits_for_events() is true has none. Errors carry the errno for the user and the cause for the log; whoever replies
// logs them once, with path_of().
//
// ENOENT of a lookup must not be cached (no negative entries). ERANGE and size 0 of getxattr and listxattr are the
// caller's.
//
// Lifetime: the account is stopped before the Filesystem is destroyed, so that nothing completes into it afterwards.
//
// Without an outbox, or with Settings::read_only, every change answers EROFS, except those of the announcer
// (announcements.hpp).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/sync/account.hpp"
#include "imapfs/sync/outbox.hpp"
#include "imapfs/vfs/announcements.hpp"
#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class Filesystem {
 public:
  /// `account`, `publisher` and `scheduler` outlive the Filesystem. `outbox` is null where nothing can be written.
  Filesystem(sync::Account& account, ChangePublisher& publisher, Scheduler& scheduler, Settings settings,
             std::unique_ptr<sync::Outbox> outbox = nullptr);
  ~Filesystem();
  Filesystem(const Filesystem&) = delete;
  Filesystem& operator=(const Filesystem&) = delete;

  // -- names and attributes --
  /// "." and ".." work too (NFS file handles).
  void lookup(const Caller& caller, NodeId parent, const std::string& name, Reply<Entry> reply);
  void getattr(const Caller& caller, NodeId node, Reply<AttributesReply> reply);
  /// The kernel forgot the node: its pages are gone too. Messages and mailboxes need no other care.
  void forget(NodeId node);

  // -- files --
  void open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply);
  /// Works for a handle of an earlier process too.
  void read(const Caller& caller, const ReadRequest& request, Reply<ReadResult> reply);
  /// A dirty flush by the process that opened the file uploads it and waits for the server's word; no deadline applies
  /// but the account's own.
  void flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply);
  /// Flushes the file and waits until everything accepted for it has reached the server.
  void fsync(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply);
  /// The same for every change in the directory; of the root: in the account.
  void fsyncdir(const Caller& caller, NodeId node, Reply<void> reply);
  void release(NodeId node, HandleId handle);
  /// POLLIN and friends that hold now; `wake` (empty: not wanted) is called once when that may have changed.
  void poll(const Caller& caller, NodeId node, HandleId handle, std::function<void()> wake, Reply<unsigned> reply);
  /// True for files whose reads wait for news instead of an answer: no deadline applies.
  [[nodiscard]] bool waits_for_events(NodeId node) const;
  /// FUSE INTERRUPT: if the request waits for news, it is answered with EINTR within this call and true is returned
  /// (nothing is lost for the next read). Otherwise false: the caller answers EINTR itself and ignores the later
  /// completion.
  bool cancel(RequestId request);

  // -- directories --
  void opendir(const Caller& caller, NodeId node, Reply<OpenDirectoryResult> reply);
  void readdir(const Caller& caller, const ListRequest& request, Reply<DirectoryPage> reply);

  // -- the rest --
  void statfs(const Caller& caller, Reply<StatFs> reply);
  /// EOPNOTSUPP outside "user.", ENODATA for what the node does not have. Always the whole value.
  void getxattr(const Caller& caller, NodeId node, const std::string& name, Reply<std::string> reply);
  /// Names, each followed by NUL, as listxattr(2) gives them.
  void listxattr(const Caller& caller, NodeId node, Reply<std::string> reply);

  // -- changes --
  void mknod(const Caller& caller, NodeId parent, const std::string& name, mode_t mode, Reply<Entry> reply);
  void mkdir(const Caller& caller, NodeId parent, const std::string& name, mode_t mode, Reply<Entry> reply);
  void unlink(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply);
  void rmdir(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply);
  void setattr(const Caller& caller, NodeId node, const AttributeChanges& changes, Reply<AttributesReply> reply);
  void rename(const Caller& caller, const RenameRequest& request, Reply<void> reply);
  void link(const Caller& caller, NodeId node, NodeId new_parent, const std::string& new_name, Reply<Entry> reply);
  void symlink(const Caller& caller, NodeId parent, const std::string& name, const std::string& target,
               Reply<Entry> reply);
  void create(const Caller& caller, NodeId parent, const std::string& name, mode_t mode, Reply<CreateResult> reply);
  void write(const Caller& caller, const WriteRequest& request, Reply<std::size_t> reply);
  /// Within the mount, a whole message into an empty new file is a copy on the server. EXDEV where it is not: the
  /// caller then copies bytes.
  void copy_file_range(const Caller& caller, const CopyRangeRequest& request, Reply<std::size_t> reply);
  void fallocate(const Caller& caller, NodeId node, HandleId handle, int mode, std::uint64_t offset,
                 std::uint64_t length, Reply<void> reply);
  void setxattr(const Caller& caller, NodeId node, const std::string& name, const std::string& value,
                Reply<void> reply);
  void removexattr(const Caller& caller, NodeId node, const std::string& name, Reply<void> reply);

  // -- inotify --
  /// From here to end_announcement() the announcer is answered as announcements.hpp says.
  Announcements::Id begin_announcement(Announcement announcement);
  void end_announcement(Announcements::Id id);

  /// For logs: "INBOX/name.eml"; not passed through printable().
  [[nodiscard]] std::string path_of(NodeId node) const;

  /// Ends reads that wait for news with ENODEV. Call before the mount's threads are joined.
  void shut_down();

 private:
  struct Parts;

  sync::Account& account_;
  ChangePublisher& publisher_;
  const std::unique_ptr<sync::Outbox> outbox_;
  const Settings settings_;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace imapfs::vfs
