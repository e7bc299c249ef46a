#pragma once
// Files on their way to the server: what is written to the mount is kept in the journal's staging directory until it is
// whole, then appended (imapfs(7)).
//
// A staged file is a new file (its node is of kind staged) or a new version of a message (its node is the message's
// own, as the kernel knows it, and the message stays as it is until the new version has been appended). It is uploaded
// * at a dirty flush by the process that opened it (the caller gets the server's word),
// * for a temporary name (is_temporary_name) at the rename that gives it its final one; if nobody renames it for
//   Dependencies::name_patience after its last close, under the name that it has, unless it is no Internet message or
//   an editor's backup of a file beside it,
// * after the last release, if it is still dirty because only other processes flushed it: nobody waits, it is queued
//   and tried again.
// Never when empty, never in a local directory, and not by a close that comes before all of it was written: then it
// waits for the rest (Settings::rest_patience). What a writer leaves who was killed (Caller::killed) is not uploaded
// and replaces nothing: it goes to the outbox. After an upload the bytes are shown as they were written until the file
// is closed, then as the server has them; writers who have it open go on with their own. A failed upload is told to
// whoever waits, logged, reported in .imapfs/events, and the file stays in .imapfs/outbox, from where mv sends it again
// and rm drops it.
//
// This is the face for what concerns open files; names() and outbox() are those for the rest. All methods from any
// thread; each becomes a job of the thread "staging", which writes the journal's staged rows too. Nothing here blocks
// the caller. ENOSPC beyond Settings::staging_limit, EFBIG beyond the account's append_limit() as early as write.
//
// A life of a file, by the classes that see it: OpenFiles, FileBytes (with ContentLoader), FlushedFiles or
// StagedRename, Uploader, UploadedMessages; ClosedFiles decides what becomes of one that nobody has open: UploadQueue,
// TemporaryFiles, UnfinishedFiles or RefusedFiles.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/news/event_log.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/nodes/node_aliases.hpp"
#include "vfs/staging/server_copy.hpp"
#include "vfs/staging/staged_file.hpp"
#include "vfs/staging/staged_names.hpp"
#include "vfs/staging/staging_outbox.hpp"

namespace imapfs::vfs {

class Staging {
 public:
  struct Dependencies {
    sync::Account& account;
    ChangePublisher& publisher;
    const Settings& settings;
    LocalEntries& entries;
    NodeAliases& aliases;
    Outbox& outbox;
    Scheduler& scheduler;
    /// How long a closed file may keep a temporary name before it is uploaded under it, and how long if somebody waits
    /// for everything.
    std::chrono::milliseconds name_patience = std::chrono::minutes(1);
    std::chrono::milliseconds name_grace = std::chrono::seconds(2);
  };
  using Original = OriginalMessage;
  using Hold = vfs::Hold;

  explicit Staging(const Dependencies& dependencies);
  /// What is queued for the thread runs; uploads that are under way are left to the account and the journal.
  ~Staging();

  [[nodiscard]] StagedNames& names();
  [[nodiscard]] StagingOutbox& outbox();

  /// Handles are above every UIDVALIDITY.
  [[nodiscard]] static constexpr bool owns(HandleId handle) { return (handle >> 32) != 0; }
  void create(const Caller& caller, MailboxId mailbox, const std::string& name, Reply<CreateResult> reply);
  /// For writing. The content is the message's until it is truncated or written to; it is fetched only if it is needed.
  void open_message(const Caller& caller, const Original& original, int flags, Reply<OpenResult> reply);
  /// A staged node, for reading or writing.
  void open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply);
  void read(const ReadRequest& request, Reply<ReadResult> reply);
  void write(const WriteRequest& request, Reply<std::size_t> reply);
  void truncate(NodeId node, std::uint64_t size, Reply<void> reply);
  void allocate(NodeId node, std::uint64_t offset, std::uint64_t length, Reply<void> reply);
  /// Somebody means to write so many bytes: a shorter file that is closed is not whole yet.
  void reserve(NodeId node, std::uint64_t size, Reply<void> reply);
  /// A whole message into a new, empty file that is open: the file becomes a pending copy on the server. EXDEV where
  /// that is not what is asked for.
  void copy_message(const CopyRangeRequest& request, const CopySource& source, Reply<std::size_t> reply);
  /// Flags for a file that is not a message yet: it is appended with them. Where it is one by now: that one, and
  /// nothing was done.
  void set_flags(NodeId node, std::vector<FlagChange> changes, Reply<std::optional<MessageLocation>> reply);
  /// mtime: becomes INTERNALDATE if it is set before the upload. After the upload of this process's own new file: it is
  /// appended again with that date and the first one removed for good (python's copy2, restic). EPERM for other
  /// messages.
  void set_time(NodeId node, Timestamp time, Reply<void> reply);
  void flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply);
  void fsync(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply);
  void release(NodeId node, HandleId handle);

  // -- answered within the call --
  /// The node's content is here: attributes and reads are to come from here. Nothing otherwise.
  [[nodiscard]] std::optional<StagedStatus> status(NodeId node) const;
  /// Was made by this mount and not looked at by another yet: modes and times set on it are taken without complaint.
  [[nodiscard]] bool is_own_new_file(NodeId node) const;
  /// True once after the server has kept other bytes than were written (CRLF): what the kernel has cached of the node
  /// is wrong.
  [[nodiscard]] bool take_stale_pages(NodeId node);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace imapfs::vfs
