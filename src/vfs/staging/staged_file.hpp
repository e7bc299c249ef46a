#pragma once
// One file on its way to the server: a new file (its node is of kind staged), or a new version of a message (its node
// is the message's own, as the kernel knows it).
//
// A file is *busy* while its content is on its way somewhere (an upload, a fetch of the message it starts from, a copy
// on the server that has not been accepted). Operations on a busy file wait in the order they came (StagedFiles).
//
// Belongs to the thread "staging"; no lock. Kept alive by StagedFiles and by whoever has an operation on it under way.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "imapfs/sync/body_reader.hpp"
#include "imapfs/sync/message_changer.hpp"
#include "imapfs/sync/outbox.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/staging/displaced_messages.hpp"
#include "vfs/staging/open_handles.hpp"
#include "vfs/staging/staged_content.hpp"

namespace imapfs::vfs {

using sync::Outbox;

/// A message to be given new content.
struct OriginalMessage {
  NodeId node;
  std::uint64_t generation = 1;
  MessageLocation message;
  MessageMeta meta;  ///< its name, flags and date stay
};

/// What stat shows of a staged file.
struct StagedStatus {
  std::uint64_t size = 0;
  Timestamp time;
};

struct StagedFile {
  NodeId node;
  std::uint64_t generation = 1;
  MailboxId mailbox;
  std::string name;
  Outbox::Row row;  ///< id 0: the journal has none
  OpenHandles handles;

  // -- its bytes --
  /// Null while the bytes are those of the message at `source`, or are still only in the staging directory.
  std::shared_ptr<StagedContent> content;
  /// The bytes that became the message at `source`, where the server keeps others (CRLF) and shows them: those who had
  /// the file open then go on to write these.
  std::shared_ptr<StagedContent> as_written;
  MessageLocation source;            ///< where the bytes are while there is no content; uid 0: in the staging directory
  std::shared_ptr<sync::Body> body;  ///< of `source`, once somebody has read it
  std::uint64_t source_size = 0;
  std::optional<WrittenRanges> written;  ///< while there is no content and the file is not whole
  std::uint64_t reserved = 0;            ///< so much room was made for it: it is not whole before
  std::uint64_t counted = 0;             ///< bytes of it that count towards the limit
  bool recoded = false;                  ///< the server has other bytes than were written

  // -- which messages it has to do with --
  std::optional<OriginalMessage> original;    ///< that the node stands for: the next upload takes its place
  std::optional<DisplacedMessage> displaced;  ///< of a new file: what had its name a moment before
  /// The message in whose place a queued file was renamed: it goes when the file has been uploaded.
  std::optional<OriginalMessage> replaced;
  bool message_gone = false;  ///< its message was removed or replaced: judge_name() says whether it still is

  // -- where it is on its way --
  bool dirty = false;  ///< holds what the server does not have
  bool own = false;    ///< a new file of this process
  bool busy = false;
  bool copying = false;     ///< busy with a copy that was accepted: reads, flushes and releases do not wait for it
  sync::ChangeId copy;      ///< that one
  std::deque<Job> waiting;  ///< for the file not to be busy
  /// Why what is here is a part: a write has failed, which its writer was told of, or the writer was killed. Until the
  /// file is emptied nothing of it is uploaded.
  std::optional<Error> failed;
  bool reported = false;  ///< the last upload has failed, and somebody was told
  int attempts = 0;       ///< in vain, of a queued upload

  // -- its name --
  bool nameless = false;              ///< removed while it was open
  bool named = false;                 ///< its temporary name is as good as a final one: nobody has changed it
  SteadyClock::time_point closed_at;  ///< of a temporary name: when it was closed or got that name
  /// Why a closed file with a temporary name is not uploaded under it: it is no Internet message.
  std::optional<Error> no_mail;
  bool told = false;  ///< of that, who waited for everything

  // -- what its message is to have --
  bool flags_given = false;       ///< by a user, to this file: they are not those of what it replaces
  std::optional<Timestamp> time;  ///< as set by a user
  Timestamp changed;

  [[nodiscard]] bool has_row() const { return row.id.value != 0; }
  [[nodiscard]] std::uint64_t size() const { return content ? content->size() : source_size; }
  [[nodiscard]] StagedStatus status() const { return {size(), time.value_or(changed)}; }
  /// Why the file is not whole: bytes before its end that nobody has written.
  [[nodiscard]] std::optional<Error> missing_bytes() const;
  /// The bytes are in the staging directory alone: a descriptor per file that waits would be too many.
  void close_content();
};

using StagedFilePtr = std::shared_ptr<StagedFile>;

}  // namespace imapfs::vfs
