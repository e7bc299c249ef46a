#pragma once
// Files on their way to the server: what is written to the mount is kept in the journal's staging directory until it is
// whole, then appended (design §1.4, §1.5; facts §2 "When to upload").
//
// A staged file is a new file (its node is of kind staged) or a new version of a message (its node is the message's
// own, as the kernel knows it, and the message stays as it is until the new version has been appended). It is uploaded
// * at a dirty flush by the process that opened it (the caller gets the server's word),
// * for a temporary name (is_temporary_name) at the rename that gives it its final one; if nobody renames it for
// Dependencies::name_patience after
//   its last close, under the name that it has, unless it is no Internet message or an editor's backup of a file beside
//   it,
// * after the last release, if it is still dirty because only other processes flushed it: nobody waits, it is queued
// and tried again. Never when empty, never in a local directory, and not by a close that comes before all of it was
// written: then it waits for the rest (Settings::rest_patience). What a writer leaves who was killed (Caller::killed)
// is not uploaded and replaces nothing: it goes to the outbox. A write with O_APPEND goes to the end of the content,
// wherever the kernel believes that to be. After an upload the octets are shown as they were written until the file is
// closed, then as the server has them; writers who have it open go on with their own. A failed upload is told to
// whoever waits, logged, reported in .imapfs/events, and the file stays in .imapfs/outbox, from where mv sends it again
// and rm drops it.
//
// Octets are written and read by the thread "staging"; nothing here blocks the caller. All methods from any thread. The
// journal is written by the same thread. ENOSPC beyond Settings::staging_limit, EFBIG beyond the account's
// append_limit() as early as write.

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/news/event_log.hpp"
#include "vfs/news/kernel_publisher.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/staging/displaced_messages.hpp"

namespace imapfs::vfs {

/// Whether tools use such a name for a file that they will rename: nothing is uploaded under it.
[[nodiscard]] bool is_temporary_name(std::string_view name);
/// The same of a directory. It is local for good, so fewer names count: "Lists.NetBSD" is a mailbox.
[[nodiscard]] bool is_temporary_directory_name(std::string_view name);

class Staging {
 public:
  struct Dependencies {
    sync::Account& account;
    ChangePublisher& publisher;
    const Settings& settings;
    LocalEntries& entries;
    NodeAliases& aliases;
    std::shared_ptr<store::Journal> journal;  ///< not null
    /// How long a closed file may keep a temporary name before it is uploaded under it, and how long if somebody waits
    /// for everything.
    std::chrono::milliseconds name_patience = std::chrono::minutes(1);
    std::chrono::milliseconds name_grace = std::chrono::seconds(2);
  };
  /// What stat shows of a staged file.
  struct Status {
    std::uint64_t size = 0;
    Timestamp time;
  };
  /// A message to be given new content.
  struct Original {
    NodeId node;
    std::uint64_t generation = 1;
    MessageLocation message;
    MessageMeta meta;  ///< its name, flags and date stay
  };

  explicit Staging(Dependencies dependencies);
  ~Staging();

  /// Takes over what an earlier process left: temporary and unfinished files go to the outbox, queued ones are
  /// uploaded.
  void recover();

  // -- open files. Handles are above every UIDVALIDITY: owns() tells them apart --
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
  /// Somebody means to write so many octets: a shorter file that is closed is not whole yet.
  void reserve(NodeId node, std::uint64_t size, Reply<void> reply);
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
  /// A message to be copied, which may still be on its way to where it is listed.
  struct CopySource {
    sync::ChangeSource change_source;  ///< its message: where the octets can be read
    MessageMeta meta;
  };
  /// A whole message into a new, empty file that is open: the file becomes a pending copy on the server. EXDEV where
  /// that is not what is asked for.
  void copy_message(const CopyRangeRequest& request, const CopySource& source, Reply<std::size_t> reply);

  // -- names --
  /// The node's content is here: attributes and reads are to come from here. Nothing otherwise.
  [[nodiscard]] std::optional<Status> status(NodeId node) const;
  /// Was made by this mount and not looked at by another yet: modes and times set on it are taken without complaint.
  [[nodiscard]] bool is_own_new_file(NodeId node) const;
  /// True once after the server has kept other octets than were written (CRLF): what the kernel has cached of the node
  /// is wrong.
  [[nodiscard]] bool take_stale_pages(NodeId node);
  /// Renames a staged file. Under a final name it is uploaded, in place of `replaces` (whose flags, and date unless a
  /// time was set, it takes over; uid 0: of nothing), and the reply waits for that until the caller's answer_by: then
  /// the file is queued under its new name, and what becomes of it is told as of all that is queued. Under a temporary
  /// name only the name changes.
  void rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
              const std::optional<Original>& replaces, Reply<void> reply);
  /// A message that this process has uploaded a moment ago under another name is renamed onto `target`, or to a name
  /// that a message had a moment ago: as with a file that is renamed so before it is uploaded, it gets flags and date
  /// of what it takes the place of, by another upload. False, and nothing happens, if `own` is no such message or there
  /// is nothing to take over.
  void take_place(const Original& own, const std::string& name, const std::optional<Original>& target,
                  Reply<bool> reply);
  /// What had a name a moment ago: told by whoever renames and removes messages, asked when a file gets a name.
  [[nodiscard]] DisplacedMessages& displaced();
  /// As long as somebody has it, no upload of the file begins, and nobody opens it for writing who had not before.
  using Hold = std::shared_ptr<void>;
  /// For whoever gives the message of `node` another name, place, flags, or removes it: `then` runs when no version of
  /// it is on its way to the server, at once if nobody has it open for writing. What the node stands for may have
  /// changed by then.
  void hold(NodeId node, std::function<void(Hold)> then);
  /// The message of this node was removed, or another has taken its name. What is written to it from here on has no
  /// name either.
  void message_gone(NodeId node);
  /// The message of this node has another name, maybe in another mailbox: the version that is written next has it too.
  void message_renamed(NodeId node, const std::string& name);
  /// unlink. An open one goes on without a name and is never uploaded.
  void remove(const Caller& caller, NodeId node, Reply<void> reply);

  // -- local directories (local_directories.hpp) --
  /// The name is local. EEXIST if a local entry has it.
  void make_directory(MailboxId parent, const std::string& name, Reply<Entry> reply);
  /// ENOTEMPTY while it holds something.
  void remove_directory(NodeId node, Reply<void> reply);
  /// In place of an empty local directory, if there is one.
  void rename_directory(NodeId node, MailboxId parent, const std::string& name, Reply<void> reply);

  // -- .imapfs/outbox --
  struct OutboxEntry {
    NodeId node;
    std::string name;   ///< unique: the id, a dash, the file's name
    MailboxId mailbox;  ///< where it was to go; 0 if there is no such mailbox
    Status status;
    std::string reason;
  };
  [[nodiscard]] std::vector<OutboxEntry> outbox() const;
  /// EIO with their names if the outbox holds files that were to go to this mailbox (0: to any).
  [[nodiscard]] Result<void> check_outbox(MailboxId mailbox) const;

  /// Waits for uploads that are under way or queued, and uploads closed files with temporary names that nobody renames
  /// for Dependencies::name_grace. The first failure, told once for a file that is no Internet message.
  void drain(Reply<void> reply);

  /// For .imapfs/status: how many files are what, and which ones wait.
  void describe(Completion<nlohmann::json> done);

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace imapfs::vfs
