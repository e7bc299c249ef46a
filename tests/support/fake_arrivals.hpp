#pragma once
// How messages arrive in a fake account's mailboxes: with the next UID, in a row of the table, unless the test has
// arranged something else. Thread-safe.

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "awaited_rows.hpp"
#include "fake_tables.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::testing {

class FakeArrivals {
 public:
  /// They outlive it.
  FakeArrivals(FakeTables& tables, AwaitedRows& rows) : tables_(tables), rows_(rows) {}

  // -- what the test arranges --

  /// Messages that arrive get no row in their table, as in a mailbox that was never listed.
  void arrive_unlisted() {
    const std::lock_guard guard(mutex_);
    unlisted_ = true;
  }
  /// The server does not tell the UIDs of what arrives.
  void arrive_unknown() {
    const std::lock_guard guard(mutex_);
    unknown_ = true;
  }

  // -- what changes bring --

  Result<sync::Arrival> arrive(MessageMeta meta, const std::optional<FakeText>& body,
                               const sync::ArrivalTarget& target) {
    const auto how = next(target.mailbox);
    meta.uid = how.uid;
    meta.file_name = target.file_name.empty() ? fake_message(meta.uid.value).file_name : target.file_name;
    if (body) tables_.set_body(target.mailbox, meta.uid, *body);
    const auto table = tables_.table(target.mailbox);
    if (how.listed) {
      table->upsert(meta, true);
      if (!target.file_name.empty()) table->set_local_name(meta.uid, target.file_name);
      rows_.wake(target.mailbox);
    } else {
      tables_.add_unlisted(target.mailbox, meta);
    }
    if (target.replaces.uid.value != 0) tables_.flag_deleted(target.replaces, true);
    return sync::Arrival{{target.mailbox, table->uid_validity(), how.told ? meta.uid : Uid{0}}, meta.file_name};
  }
  /// A copy of a message that is here already.
  Result<sync::Arrival> copy(const MessageLocation& from, const sync::ArrivalTarget& target) {
    auto meta = tables_.find(from);
    if (!meta) return fail(ENOENT, "no such message");
    return arrive(std::move(*meta), tables_.body(from.mailbox, from.uid), target);
  }

 private:
  struct Way {
    Uid uid;
    bool listed = true;
    bool told = true;
  };
  Way next(MailboxId mailbox) {
    const std::lock_guard guard(mutex_);
    auto& uid = next_uids_.try_emplace(mailbox, 101).first->second;
    return {Uid{uid++}, !unlisted_, !unknown_};
  }

  FakeTables& tables_;
  AwaitedRows& rows_;
  std::mutex mutex_;
  std::map<MailboxId, std::uint32_t> next_uids_;
  bool unlisted_ = false;
  bool unknown_ = false;
};

}  // namespace imapfs::testing
