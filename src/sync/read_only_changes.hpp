#pragma once
// The changes of a mount without a journal: each is refused with EROFS, none waits to be carried out. Any thread.

#include <optional>
#include <string>
#include <vector>

#include "imapfs/sync/errors.hpp"
#include "imapfs/sync/mailbox_changer.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

class ReadOnlyMessages final : public MessageChanger {
 public:
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override { return std::nullopt; }
  void upload(const Upload&, Completion<Arrival> done) override { done(fail(no_journal())); }
  void copy(const ChangeSource&, const ArrivalTarget&, ChangeReply reply) override { refuse(reply); }
  void move(const ChangeSource&, const ArrivalTarget&, ChangeReply reply) override { refuse(reply); }
  void remove(const ChangeSource&, ChangeReply reply) override { refuse(reply); }
  void expunge(const ChangeSource&, ChangeReply reply) override { refuse(reply); }
  void restore(const ChangeSource&, const std::string&, ChangeReply reply) override { refuse(reply); }
  void set_flags(const MessageLocation&, const FlagChange&, Completion<void> done) override {
    done(fail(no_journal()));
  }
  void give_name(const MessageLocation&, const std::string&, const MessageLocation&, Completion<void> done) override {
    done(fail(no_journal()));
  }
  void drain(MailboxId, Completion<void> done) override { done({}); }
  [[nodiscard]] std::vector<PendingArrival> pending_arrivals() const override { return {}; }
  void await_change(ChangeId, Completion<Arrival> finished) override {
    finished(fail(ENOENT, "there is no such change"));
  }

 private:
  static void refuse(const ChangeReply& reply) { reply.accepted(fail(no_journal())); }
};

class ReadOnlyMailboxes final : public MailboxChanger {
 public:
  void create(MailboxId, const std::string&, Completion<MailboxId> done) override { done(fail(no_journal())); }
  void remove(MailboxId, Completion<void> done) override { done(fail(no_journal())); }
  void rename(MailboxId, MailboxId, const std::string&, Completion<void> done) override { done(fail(no_journal())); }
};

}  // namespace imapfs::sync
