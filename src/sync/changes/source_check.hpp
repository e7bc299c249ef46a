#pragma once
// The messages that a batch is about: whether they are what their rows say, and what they are recognised by elsewhere.
//
// Some servers give the UIDs of a mailbox to other messages without a new UIDVALIDITY. So what is about to be moved or
// removed is looked at first, by the command that renews the session's view, and a message of another size or date is
// left alone.
//
// Errors are those of the session, ESTALE for another UIDVALIDITY, and EROFS. What is said of one message becomes the
// outcome of its item. Used for one run of a batch, on a pool's thread; no locks.

#include <cstdint>
#include <vector>

#include "sync/changes/batch_item.hpp"
#include "sync/changes/command_dependencies.hpp"

namespace imapfs::sync {

/// What is seen of the message that an item is about.
enum class SeenSource : std::uint8_t { absent, present, another };

class SourceCheck {
 public:
  SourceCheck(BatchItems& items, MailboxPointer source, const CommandDependencies& dependencies, imap::Session& session,
              const CallContext& context);

  /// The source is selected for changes, and the session's view of it is new.
  Result<void> select();
  /// The same where messages are to be flagged or expunged; those that are others than they were end here.
  Result<void> select_to_remove();
  /// The journal learns what the messages are recognised by; those that are not there, or are others, end here.
  Result<void> make_recognisable();
  /// What is there after a command, for each item; the items learn what is seen of their messages.
  Result<std::vector<SeenSource>> look_again();

 private:
  Result<bool> select_mailbox();
  Result<std::vector<SeenSource>> describe(bool with_message_ids);
  void list_anew_if_another(const std::vector<SeenSource>& seen);
  void refuse_another(const std::vector<SeenSource>& seen);
  [[nodiscard]] bool is_another(const store::JournalChange& change, const imap::FetchRow& row, bool sizes_lie) const;
  [[nodiscard]] bool recognisable() const;

  BatchItems& items_;
  const MailboxPointer source_;
  const CommandDependencies& dependencies_;
  imap::Session& session_;
  const CallContext& context_;
};

}  // namespace imapfs::sync
