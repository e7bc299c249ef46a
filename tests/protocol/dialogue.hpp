#pragma once
// What every protocol test needs: a session logged in to a scripted server, a listener and a sink that remember.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "imap/login/login.hpp"
#include "imapfs/imap/session.hpp"
#include "support/scripted_server.hpp"

namespace imapfs::imap::test {

using imapfs::test::ScriptedServer;

inline CallContext patient() { return CallContext::within(std::chrono::seconds(20)); }

inline AccountSettings account() {
  AccountSettings settings;
  settings.endpoint = {"mail.example.org", 993};
  settings.user = "anna";
  settings.password = [](const CallContext&) { return Result<std::string>("secret"); };
  return settings;
}

/// Writes down everything as text, in order.
class NotingListener final : public UntaggedListener {
 public:
  void on_exists(std::uint32_t messages) override { notes.push_back(fmt::format("exists {}", messages)); }
  void on_expunge() override { notes.emplace_back("expunge"); }
  void on_vanished(const UidSet& uids) override { notes.push_back("vanished " + uids.to_string()); }
  void on_fetch(const FetchRow& row) override {
    notes.push_back(fmt::format("fetch {} {}", row.uid.value, row.flags ? row.flags->to_string() : "?"));
  }
  void on_status(const WireName& mailbox, const MailboxStatus& status) override {
    notes.push_back(fmt::format("status {} {}", mailbox, status.messages.value_or(0)));
  }
  void on_highest_modseq(ModSeq modseq) override { notes.push_back(fmt::format("modseq {}", modseq.value)); }
  void on_mailbox_list_changed() override { notes.emplace_back("list"); }
  std::vector<std::string> notes;
};

class NotingSink final : public BodySink {
 public:
  Result<void> begin(std::uint64_t length) override {
    ++begun;
    announced = length;
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    if (refuse_with != 0) return fail(refuse_with, "sink is full");
    total += bytes.size();
    if (text.size() < 4096) text.append(bytes.data(), std::min<std::size_t>(bytes.size(), 4096));
    return {};
  }
  int begun = 0;
  int refuse_with = 0;
  std::uint64_t announced = 0;
  std::uint64_t total = 0;
  std::string text;
};

/// A session whose server follows `server`'s script; check that the pointer is there.
inline std::unique_ptr<Session> logged_in(ScriptedServer& server, AccountSettings settings = account()) {
  auto session = login_session(server.client(), settings, patient());
  EXPECT_TRUE(session) << (session ? "" : session.error().what) << server.complaint();
  return session ? std::move(*session) : nullptr;
}

/// The Error of a login that must fail.
inline Error refused_login(ScriptedServer& server, const AccountSettings& settings = account()) {
  auto session = login_session(server.client(), settings, patient());
  EXPECT_FALSE(session);
  return session ? Error{0, Scope::request, Retry::never, "logged in"} : std::move(session).error();
}

inline Session::SelectRequest inbox() {
  Session::SelectRequest request;
  request.mailbox = "INBOX";
  return request;
}

/// Flags, date and size of every message, and header fields if any are named.
inline Session::FetchRequest listing(std::vector<std::string> header_fields = {}) {
  Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, Uid{4294967295});
  request.items.flags = request.items.internal_date = request.items.size = true;
  request.items.header_fields = std::move(header_fields);
  return request;
}

}  // namespace imapfs::imap::test
