#pragma once
// sync::MessageChanger without a server: each change is recorded as a line and, unless the test holds, fails or refuses
// it, carried out at once on the fake's own tables as the real account would show it. Thread-safe; completions run with
// no lock held.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accepted_changes.hpp"
#include "change_record.hpp"
#include "change_text.hpp"
#include "fake_arrivals.hpp"
#include "fake_tables.hpp"
#include "fake_tree.hpp"
#include "fake_uploads.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::testing {

/// The record is part of it: that of changes of mailboxes, too.
class FakeMessageChanger : public sync::MessageChanger, public ChangeRecord {
 public:
  /// They outlive it.
  FakeMessageChanger(const FakeTree& tree, FakeTables& tables, FakeArrivals& arrivals)
      : text_(tree), tables_(tables), arrivals_(arrivals), uploads_(arrivals), accepted_(*this, tables) {}

  // -- what the test arranges --

  [[nodiscard]] std::vector<sync::Upload> uploads() const { return uploads_.all(); }
  /// See FakeUploads.
  void set_journal(std::shared_ptr<store::Journal> journal) { uploads_.set_journal(std::move(journal)); }
  void set_append_limit(std::optional<std::uint64_t> limit) {
    const std::lock_guard guard(mutex_);
    append_limit_ = limit;
  }
  /// Accepted by an earlier process: ends in end_pending().
  void add_pending(sync::PendingArrival pending) { accepted_.add_pending(std::move(pending)); }
  void end_pending(sync::ChangeId change, const Result<sync::Arrival>& result) {
    accepted_.end_pending(change, result);
  }

  // -- MessageChanger --

  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override {
    const std::lock_guard guard(mutex_);
    return append_limit_;
  }
  void upload(const sync::Upload& upload, Completion<sync::Arrival> done) override {
    uploads_.add(upload);
    perform(
        "append " + text_.of(upload.target), [this, upload] { return uploads_.append(upload); }, std::move(done));
  }
  void copy(const sync::ChangeSource& source, const sync::ArrivalTarget& target, sync::ChangeReply reply) override {
    Change change{"copy " + text_.of(source) + " -> " + text_.of(target), source, target, {}, false, {}};
    change.carry_out = [this, target](const MessageLocation& from) { return arrivals_.copy(from, target); };
    accepted_.accept(std::move(change), std::move(reply));
  }
  void move(const sync::ChangeSource& source, const sync::ArrivalTarget& target, sync::ChangeReply reply) override {
    Change change{"move " + text_.of(source) + " -> " + text_.of(target), source, target, {}, true, {}};
    change.carry_out = [this, target](const MessageLocation& from) {
      auto arrival = arrivals_.copy(from, target);
      if (arrival) tables_.remove(from);
      return arrival;
    };
    accepted_.accept(std::move(change), std::move(reply));
  }
  void remove(const sync::ChangeSource& source, sync::ChangeReply reply) override {
    Change change{"remove " + text_.of(source), source, {}, {}, true, {}};
    change.carry_out = [this](const MessageLocation& from) -> Result<sync::Arrival> {
      tables_.flag_deleted(from, true);
      return sync::Arrival{from, ""};
    };
    accepted_.accept(std::move(change), std::move(reply));
  }
  void expunge(const sync::ChangeSource& source, sync::ChangeReply reply) override {
    Change change{"expunge " + text_.of(source), source, {}, {}, true, {}};
    change.carry_out = [this](const MessageLocation& from) -> Result<sync::Arrival> {
      tables_.remove(from);
      return sync::Arrival{from, ""};
    };
    accepted_.accept(std::move(change), std::move(reply));
  }
  void restore(const sync::ChangeSource& source, const std::string& file_name, sync::ChangeReply reply) override {
    const auto as = file_name.empty() ? "" : " as " + file_name;
    Change change{"restore " + text_.of(source) + as, source, {}, {}, false, file_name};
    change.carry_out = [file_name](const MessageLocation& from) -> Result<sync::Arrival> {
      return sync::Arrival{from, file_name};
    };
    accepted_.accept(std::move(change), std::move(reply));
  }
  void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) override {
    static constexpr const char* signs[] = {"+", "-", ""};
    const auto text = "flags " + text_.of(message) + " " + signs[static_cast<int>(change.kind)] +
                      change.flags.to_string();
    perform(
        text, [this, message, change] { return tables_.change_flags(message, change); }, std::move(done));
  }
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done) override {
    perform(
        "name " + text_.of(message) + " " + name + text_.replacing(replaces),
        [this, message, name, replaces]() -> Result<void> {
          if (replaces.uid.value != 0) tables_.flag_deleted(replaces, true);
          tables_.rename(message, name);
          return {};
        },
        std::move(done));
  }
  void drain(MailboxId, Completion<void> done) override { after_held(std::move(done)); }
  [[nodiscard]] std::vector<sync::PendingArrival> pending_arrivals() const override { return accepted_.pending(); }
  void await_change(sync::ChangeId change, Completion<sync::Arrival> finished) override {
    accepted_.await(change, std::move(finished));
  }

 private:
  using Change = AcceptedChanges::Change;

  const ChangeText text_;
  FakeTables& tables_;
  FakeArrivals& arrivals_;
  FakeUploads uploads_;
  AcceptedChanges accepted_;
  mutable std::mutex mutex_;
  std::optional<std::uint64_t> append_limit_;
};

}  // namespace imapfs::testing
