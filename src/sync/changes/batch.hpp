#pragma once
// Carries out changes of one kind, of messages of one mailbox, by as few commands as there are; or finds out what
// commands have done whose answer was lost. Runs on a pool's thread with a session of its own; no locks.
//
// Each item ends with an outcome. What has none when run() returns is judged by run()'s Error: not sent, refused, or
// unknown.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "sync/changes/arrivals.hpp"
#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {

struct BatchItem {
  enum class Outcome : std::uint8_t {
    none,
    done,     ///< carried out; `arrived` says where the message is now
    refused,  ///< `error` says why
    look_up,  ///< the server did not say what became of it
    again,    ///< nothing has happened to it: it can be sent again
  };
  store::JournalChange change;
  Outcome outcome = Outcome::none;
  store::JournalLocation arrived;
  Error error;
  bool keeps_staged = false;  ///< of an append that is done: its file holds something else by now
};

class ChangeBatch {
 public:
  ChangeBatch(std::vector<BatchItem> items, bool look_up, MailboxPointer source, MailboxPointer destination,
              const ChangeTools& tools);

  /// May be called again after an Error of scope session with Retry::now: nothing was sent then.
  Result<void> run(imap::Session& session, const CallContext& context);

  [[nodiscard]] std::vector<BatchItem>& items() { return items_; }
  /// A command was sent that cannot simply be sent again.
  [[nodiscard]] bool sent() const { return sent_; }
  [[nodiscard]] bool look_up() const { return look_up_; }
  [[nodiscard]] bool used_move() const { return used_move_; }
  [[nodiscard]] const MailboxPointer& source() const { return source_; }
  [[nodiscard]] const MailboxPointer& destination() const { return destination_; }
  /// Of a batch that brings messages: keeps them from being seen before they have their names.
  std::shared_ptr<ArrivalGuard> hold;

 private:
  using Kind = store::JournalChange::Kind;

  /// What is seen of an item's source.
  enum class Seen : std::uint8_t { absent, present, another };

  Result<void> carry_out(imap::Session& session, const CallContext& context);
  Result<void> store_flags(imap::Session& session, const CallContext& context);
  Result<void> expunge(imap::Session& session, const CallContext& context);
  Result<void> bring(imap::Session& session, const CallContext& context);
  [[nodiscard]] std::map<Uid, Uid> told_by(const imap::CopiedMessages& copied, const DestinationPoint& point) const;
  Result<void> await_brought(imap::Session& session, const std::map<Uid, Uid>& told, const CallContext& context);
  Result<void> conclude_brought(imap::Session& session, const std::vector<Seen>& seen, bool answered,
                                const CallContext& context);
  Result<void> remove_brought(imap::Session& session, const UidSet& uids, const CallContext& context);
  Result<void> remove_from_source(imap::Session& session, const UidSet& uids, const CallContext& context);

  // mutation_lookup.cpp
  Result<void> find_brought(imap::Session& session, const std::map<Uid, Uid>& told, const CallContext& context);
  Result<void> look_up_brought(imap::Session& session, const CallContext& context);
  Result<void> look_up_appended(imap::Session& session, const CallContext& context);

  // mutation_sources.cpp
  Result<bool> select_mailbox_of_sources(imap::Session& session, const CallContext& context);
  Result<void> select_source(imap::Session& session, const CallContext& context);
  Result<void> select_to_remove(imap::Session& session, const CallContext& context);
  Result<std::vector<Seen>> describe_sources(imap::Session& session, bool with_message_ids, const CallContext& context);
  void list_anew_if_another(const std::vector<Seen>& seen);
  void refuse_another(const std::vector<Seen>& seen);
  [[nodiscard]] bool is_another(const store::JournalChange& change, const imap::FetchRow& row, bool sizes_lie) const;
  [[nodiscard]] bool recognisable() const;
  Result<void> make_recognisable(imap::Session& session, const CallContext& context);
  [[nodiscard]] UidSet uids_without_outcome() const;
  void finish_all(const store::JournalLocation& where);

  std::vector<BatchItem> items_;
  const bool look_up_;
  const MailboxPointer source_;       ///< null for appends
  const MailboxPointer destination_;  ///< null for those that bring nothing
  const ChangeTools& tools_;
  bool sent_ = false;
  bool used_move_ = false;
  std::size_t unrecognised_ = 0;  ///< messages that have come to the destination, and nobody knows of which item
};

/// Within `context`, but no longer than one command may take.
[[nodiscard]] CallContext command_context(const CallContext& context, const ChangeTools& tools);

}  // namespace imapfs::sync
