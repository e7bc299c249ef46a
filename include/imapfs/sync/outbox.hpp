#pragma once
// The journal's staged files: their rows, where their bytes are, and which of them were refused and wait for the user.
//
// Guarantees: a caller's row changes only when the journal has taken the change. What the server refuses for good is
// listed until it is renamed, removed or uploaded after all; what failed for a reason that may pass is to be tried
// again, with pauses that grow. Nobody else touches the journal's staged files but the end of an append, which takes
// row and bytes away (MessageChanger::upload).
// Errors: the journal's. Threads: lists(), refused() and check() any (one lock, a leaf); the rest a thread that may
// wait for the disk. It shares the journal with the account.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::sync {

class Outbox {
 public:
  using Row = store::StagedFile;
  using State = Row::State;
  using Location = store::JournalLocation;
  /// A file that is not on the server because it was refused.
  struct Refused {
    store::StagedId id;
    std::string name;   ///< name_of() its row
    MailboxId mailbox;  ///< where it was to go; 0 if there is no such mailbox
    std::uint64_t size = 0;
    UnixTime changed_at = 0;
    std::uint32_t nanoseconds = 0;  ///< of changed_at
    std::string reason;
  };

  explicit Outbox(std::shared_ptr<store::Journal> journal) : journal_(std::move(journal)) {}

  // -- rows --
  /// A new row and an empty file for it; sets the id.
  Result<void> stage(Row& row) { return journal_->stage(row); }
  /// `row` becomes `changed`.
  Result<void> update(Row& row, Row changed);
  /// The same, and it survives a power cut from here on.
  Result<void> write_through(Row& row, Row changed);
  Result<void> set_state(Row& row, State state, const std::string& reason = {});
  /// Row and bytes are of no use any more: its id is 0 from here on.
  Result<void> discard(Row& row);
  /// All of them, those of earlier processes too.
  [[nodiscard]] Result<std::vector<Row>> rows() const { return journal_->staged(); }
  [[nodiscard]] std::string path_of_bytes(const Row& row) const { return journal_->staging_path(row.id); }
  /// What was committed so far survives a power cut from here on.
  Result<void> sync() { return journal_->sync(); }

  // -- uploads that failed --
  /// No connection, a busy server, a full disk of ours: not the message's fault.
  [[nodiscard]] static bool is_tried_again_after(const Error& error);
  /// How long to wait after so many attempts in vain.
  [[nodiscard]] static std::chrono::seconds pause_after(int attempts);

  // -- what was refused --
  /// Unique: the id, a dash, the file's name.
  [[nodiscard]] static std::string name_of(const Row& row);
  void list(Refused refused);
  void unlist(store::StagedId id);
  [[nodiscard]] bool lists(store::StagedId id) const;
  [[nodiscard]] std::vector<Refused> refused() const;
  /// EIO with their names if some were to go to this mailbox (0: to any).
  [[nodiscard]] Result<void> check(MailboxId mailbox) const;

 private:
  const std::shared_ptr<store::Journal> journal_;
  Guarded<std::map<store::StagedId, Refused>> refused_;
};

}  // namespace imapfs::sync
