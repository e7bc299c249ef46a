#pragma once
// What comes before a change is submitted: an attempt to connect, if there is no connection, so that who only writes
// finds the server again; and the rights of the mailboxes that it is about, which nobody may have listed.
//
// Any thread; no lock. Completions as in Account.

#include <string>
#include <vector>

#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class ChangeRequests {
 public:
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    RightsQuestions& rights;
    Changes& changes;
  };

  explicit ChangeRequests(Dependencies dependencies) : dependencies_(dependencies) {}

  void upload(const Upload& upload, Completion<Arrival> done);
  void copy(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply);
  void move(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply);
  void remove(const ChangeSource& source, ChangeReply reply);
  void expunge(const ChangeSource& source, ChangeReply reply);
  void restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply);
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done);
  void drain(MailboxId mailbox, Completion<void> done);
  /// One after the other. Ends with the first Error: whoever changes a mailbox is told what became of the changes in
  /// it.
  void drain_all(std::vector<MailboxId> mailboxes, Completion<void> done);

 private:
  void with_rights(MailboxId mailbox, Job then);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
