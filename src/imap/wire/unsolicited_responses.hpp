#pragma once
// What a server says unasked: news for the UntaggedListener, response codes, capabilities, BYE.
//
// Every untagged response that the running command does not take comes here: news is passed on, the rest is remembered
// until somebody asks, or left to be skipped. What is remembered is bounded. Errors are the reader's, of scope session.
// One thread at a time; the reader and the listener outlive it.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "imap/wire/fetch_parser.hpp"
#include "imap/wire/response.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class UnsolicitedResponses {
 public:
  explicit UnsolicitedResponses(ResponseReader& reader) : reader_(reader) {}

  void set_listener(UntaggedListener* listener) { listener_ = listener; }
  /// Gets every OK with a response code, tagged or not, that no command has taken.
  void set_code_listener(std::function<void(const Answer&)> listener) { code_listener_ = std::move(listener); }
  /// Makes of a name on the wire what the listener knows it by.
  void set_name_reader(std::function<WireName(std::string)> reader) { name_reader_ = std::move(reader); }

  /// Does what must be done with the response that the reader stands on; what it leaves unread is to be skipped.
  Result<void> take(const Response& response);
  /// The codes of an answer that was read elsewhere.
  void take_codes(const Answer& answer);
  /// Gives the listener a row that a command saw and did not ask for.
  void deliver_fetch(const FetchRow& row);
  void deliver_status(const WireName& name, const MailboxStatus& status);

  /// What has reached the listener so far.
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  /// Capabilities last announced by the server in any form; consumed by the caller.
  std::optional<std::set<std::string>> take_capabilities();
  /// What ENABLED has named since the last call.
  std::set<std::string> take_enabled();
  /// The most messages that EXISTS has told of since the last reset_exists().
  [[nodiscard]] std::uint32_t most_exist() const { return most_exist_; }
  void reset_exists() { most_exist_ = 0; }
  /// The server's BYE, if it has said one.
  [[nodiscard]] const std::optional<Answer>& bye() const { return bye_; }

 private:
  Result<void> take_data(const Response& response);
  Result<void> take_news(const Response& response);
  Result<void> deliver_vanished();
  Result<void> deliver_status_row();

  ResponseReader& reader_;
  FetchParser fetch_parser_;
  UntaggedListener* listener_ = nullptr;
  std::function<void(const Answer&)> code_listener_;
  std::function<WireName(std::string)> name_reader_;
  std::uint64_t delivered_ = 0;
  std::uint32_t most_exist_ = 0;
  std::optional<Answer> bye_;
  std::optional<std::set<std::string>> capabilities_;
  std::set<std::string> enabled_;
};

}  // namespace imapfs::imap
