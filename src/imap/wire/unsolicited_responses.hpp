#pragma once
// What a server sends unasked: news for the UntaggedListener, response codes, capabilities, BYE.
//
// Gets every untagged response that the running command does not take. Passes news on, remembers other things until
// somebody asks for them (bounded), and ignores the rest. Errors are the reader's, of scope session. One thread at a
// time; the reader and the listener outlive it.

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
  /// Gets every OK with a response code: tagged ones, and untagged ones that no command has taken.
  void set_code_listener(std::function<void(const Answer&)> listener) { code_listener_ = std::move(listener); }
  /// Converts a name on the wire to the WireName for the listener.
  void set_name_reader(std::function<WireName(std::string)> reader) { name_reader_ = std::move(reader); }

  /// Handles the response at the reader's cursor; the caller skips the unread rest.
  Result<void> take(const Response& response);
  /// Handles the codes of an answer that was read elsewhere.
  void take_codes(const Answer& answer);
  /// Gives the listener a row that a command read but did not ask for.
  void deliver_fetch(const FetchRow& row);
  void deliver_status(const WireName& name, const MailboxStatus& status);

  /// The number of news that have reached the listener.
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  /// The capabilities that the server announced last, in any form; then forgets them.
  std::optional<std::set<std::string>> take_capabilities();
  /// What ENABLED has named since the last call.
  std::set<std::string> take_enabled();
  /// The highest EXISTS since the last reset_exists().
  [[nodiscard]] std::uint32_t most_exist() const { return most_exist_; }
  void reset_exists() { most_exist_ = 0; }
  /// The server's BYE, if it has come.
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
