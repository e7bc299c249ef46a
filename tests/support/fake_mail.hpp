#pragma once
// The mailboxes of a FakeServer: the test's way to change them as another client would, and to look at them. Sessions
// are told as RFC 3501 and NOTIFY have it. Thread-safe.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_server_state.hpp"

namespace imapfs::testing {

/// What other clients do to mailboxes, and what they see.
class FakeMail {
 public:
  /// `name` is the UTF-8 form; empty: as on the wire.
  void create_mailbox(const imap::WireName& wire_name, std::string name = {}) {
    const std::lock_guard guard(state_->mutex);
    FakeMailbox mailbox;
    mailbox.wire_name = wire_name;
    mailbox.name = name.empty() ? wire_name : std::move(name);
    mailbox.uid_validity = UidValidity{++state_->last_uid_validity};
    state_->mailboxes[wire_name] = std::move(mailbox);
    state_->announce_list();
  }
  /// Connections that have it selected are lost, as Dovecot does it.
  void delete_mailbox(const imap::WireName& wire_name) {
    const std::lock_guard guard(state_->mutex);
    state_->mailboxes.erase(wire_name);
    state_->lose_selected(wire_name);
    state_->announce_list();
  }
  /// For what has no function of its own (special use, \Noselect, UIDs to come …); nobody is told.
  template <class Function>
  void edit_mailbox(const imap::WireName& wire_name, Function&& edit) {
    const std::lock_guard guard(state_->mutex);
    edit(state_->mailboxes.at(wire_name));
  }
  /// RFC 4314; for servers with the capability ACL.
  void set_rights(const imap::WireName& wire_name, std::string rights) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) { mailbox.rights = std::move(rights); });
  }
  void set_permanent_flags(const imap::WireName& wire_name, const FlagSet& flags, bool may_create_keywords) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) {
      mailbox.permanent_flags = flags;
      mailbox.may_create_keywords = may_create_keywords;
    });
  }
  /// For everyone who selects it from now on.
  void set_read_only(const imap::WireName& wire_name, bool read_only) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) { mailbox.read_only = read_only; });
  }
  /// Messages stay and get new UIDs from 1; connections that have it selected are lost.
  void change_uid_validity(const imap::WireName& wire_name, UidValidity validity) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    mailbox.uid_validity = validity;
    mailbox.uid_next = Uid{1};
    mailbox.vanished.clear();
    for (auto& [old_uid, message] : std::exchange(mailbox.messages, {})) {
      message.uid = std::exchange(mailbox.uid_next, Uid{mailbox.uid_next.value + 1});
      mailbox.messages.emplace(message.uid, std::move(message));
    }
    state_->lose_selected(wire_name);
  }
  Uid deliver(const imap::WireName& wire_name, const std::string& body, UnixTime date = 1'700'000'000,
              FlagSet flags = {}) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    const Uid uid = mailbox.add(
        {{}, date, body.size(), std::make_shared<const std::string>(body), std::move(flags), {}});
    state_->announce_count(mailbox);
    return uid;
  }
  void expunge(const imap::WireName& wire_name, Uid uid) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    if (mailbox.remove(uid)) state_->announce(mailbox, {untagged::Vanished{UidSet::single(uid)}});
  }
  void set_flags(const imap::WireName& wire_name, Uid uid, const FlagSet& flags) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    auto& message = mailbox.messages.at(uid);
    message.flags = flags;
    message.modseq = mailbox.next_modseq();
    state_->announce(mailbox, {untagged::Fetch{uid, flags, message.modseq}});
  }
  [[nodiscard]] FlagSet flags(const imap::WireName& wire_name, Uid uid) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.at(wire_name).messages.at(uid).flags;
  }
  /// RFC822.SIZE becomes the body's length plus `delta`.
  void lie_about_size(const imap::WireName& wire_name, Uid uid, std::int64_t delta) {
    const std::lock_guard guard(state_->mutex);
    auto& message = state_->mailboxes.at(wire_name).messages.at(uid);
    message.reported_size = static_cast<std::uint64_t>(static_cast<std::int64_t>(message.body->size()) + delta);
  }
  [[nodiscard]] bool has_mailbox(const imap::WireName& wire_name) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.contains(wire_name);
  }
  /// A copy of it as it is now.
  [[nodiscard]] FakeMailbox mailbox(const imap::WireName& wire_name) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.at(wire_name);
  }
  [[nodiscard]] std::vector<Uid> uids(const imap::WireName& wire_name) const {
    std::vector<Uid> uids;
    for (const auto& [uid, message] : mailbox(wire_name).messages) uids.push_back(uid);
    return uids;
  }

 protected:
  explicit FakeMail(std::shared_ptr<FakeServerState> state) : state_(std::move(state)) {}
  ~FakeMail() = default;

 private:
  const std::shared_ptr<FakeServerState> state_;
};

}  // namespace imapfs::testing
