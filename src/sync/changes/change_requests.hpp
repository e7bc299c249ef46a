#pragma once
// What comes before a change is submitted: an attempt to connect, if there is no connection, so that who only writes
// finds the server again; and the rights of the mailboxes that it is about, which nobody may have listed.
//
// Any thread; no lock. Completions as in MessageChanger.

#include <optional>
#include <string>
#include <vector>

#include "imapfs/sync/message_changer.hpp"
#include "sync/changes/changes.hpp"
#include "sync/changes/flag_setter.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class ChangeRequests final : public MessageChanger {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    RightsQuestions& rights;
    Changes& changes;
    FlagSetter& flags;
  };

  explicit ChangeRequests(Dependencies dependencies) : dependencies_(dependencies) {}

  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override;
  void upload(const Upload& upload, Completion<Arrival> done) override;
  void copy(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void move(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void remove(const ChangeSource& source, ChangeReply reply) override;
  void expunge(const ChangeSource& source, ChangeReply reply) override;
  void restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply) override;
  void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) override;
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done) override;
  void drain(MailboxId mailbox, Completion<void> done) override;
  [[nodiscard]] std::vector<PendingArrival> pending_arrivals() const override;
  void await_change(ChangeId change, Completion<Arrival> finished) override;
  /// One after the other. Ends with the first Error: whoever changes a mailbox is told what became of the changes in
  /// it.
  void drain_all(std::vector<MailboxId> mailboxes, Completion<void> done);

 private:
  void with_rights(MailboxId mailbox, Job then);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
