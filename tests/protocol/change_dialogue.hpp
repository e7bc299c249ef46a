#pragma once
// What tests of changing commands share: a session with a mailbox selected read-write, and a message to append.

#include <algorithm>

#include "dialogue.hpp"

namespace imapfs::imap::test {

inline Session::SelectRequest inbox_for_writing() {
  auto request = inbox();
  request.read_write = true;
  return request;
}

inline constexpr auto usual_capabilities = "IMAP4rev1 UIDPLUS MOVE LITERAL+ UNSELECT ACL";

/// The login and a SELECT of an INBOX with the UIDs 1 to 99999, whose flags can all be stored.
inline void open_inbox(ScriptedServer& server, const std::string& capabilities = usual_capabilities) {
  server.log_in(capabilities)
      .answer("SELECT \"INBOX\"",
              "* 50 EXISTS\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ok\r\n"
              "* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 100000] ok\r\n",
              "OK [READ-WRITE] selected");
}

/// A session for the script open_inbox() began.
inline std::unique_ptr<Session> in_inbox(ScriptedServer& server) {
  auto session = logged_in(server);
  if (!session) return nullptr;
  const auto selected = session->select(inbox_for_writing(), patient());
  EXPECT_TRUE(selected) << (selected ? "" : selected.error().what) << server.complaint();
  return session;
}

/// The Error of a change that must fail.
template <class T>
Error error_of(Result<T> outcome) {
  EXPECT_FALSE(outcome) << "it succeeded";
  return outcome ? Error{0, {}, {}, "it succeeded"} : std::move(outcome).error();
}

inline void expect_error(const Error& error, int errnum, Scope scope, Retry retry) {
  EXPECT_EQ(error.errnum, errnum) << error.what;
  EXPECT_EQ(error.scope, scope) << error.what;
  EXPECT_EQ(error.retry, retry) << error.what;
}

/// Every change ends so when the connection is lost in between.
inline void expect_unknown_outcome(const Error& error) {
  EXPECT_EQ(error.scope, Scope::session) << error.what;
  EXPECT_EQ(error.retry, Retry::later) << error.what;
  EXPECT_NE(error.what.find("outcome is unknown"), std::string::npos) << error.what;
}

/// The lines after the login and SELECT, without their tags.
inline std::vector<std::string> commands_after_select(ScriptedServer& server) {
  std::vector<std::string> commands;
  bool selected = false;
  for (const auto& line : server.received()) {
    if (selected) commands.push_back(line.substr(line.find(' ') + 1));
    selected = selected || line.find("SELECT") != std::string::npos;
  }
  return commands;
}

class TextSource final : public AppendSource {
 public:
  explicit TextSource(std::string text) : announced(text.size()), text_(std::move(text)) {}
  [[nodiscard]] std::uint64_t size() const override { return announced; }
  Result<std::size_t> read(std::span<char> buffer) override {
    largest_read = std::max(largest_read, buffer.size());
    if (before_read) before_read(given_);
    if (fail_at && given_ >= *fail_at) return fail(ENXIO, "the staged file is gone");
    const auto count = std::min(buffer.size(), text_.size() - given_);
    std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(given_), count, buffer.begin());
    given_ += count;
    return count;
  }
  [[nodiscard]] std::size_t given() const { return given_; }

  std::uint64_t announced;
  std::optional<std::size_t> fail_at;
  std::size_t largest_read = 0;
  std::function<void(std::size_t given)> before_read;

 private:
  std::string text_;
  std::size_t given_ = 0;
};

inline AppendRequest into(WireName mailbox) {
  AppendRequest request;
  request.mailbox = std::move(mailbox);
  return request;
}

}  // namespace imapfs::imap::test
