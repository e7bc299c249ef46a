#pragma once
// A plain IMAP client of the tests' own: what the server holds, seen and changed by somebody who shares no code with
// imapfs.
//
// One connection without TLS (Dovecot takes that from loopback). Every call throws std::runtime_error when the server
// refuses or goes away. One thread at a time.

#include <cstdint>
#include <string>
#include <vector>

#include "dovecot.hpp"

namespace imapfs::testing {

struct ServerMessage {
  std::uint32_t uid = 0;
  std::vector<std::string> flags;  ///< sorted, without \Recent
  std::int64_t internal_date = 0;
  std::string body;

  [[nodiscard]] bool has(const std::string& flag) const;
  [[nodiscard]] bool deleted() const { return has("\\Deleted"); }
};

class OtherClient {
 public:
  explicit OtherClient(const Dovecot& dovecot);
  ~OtherClient();
  OtherClient(const OtherClient&) = delete;
  OtherClient& operator=(const OtherClient&) = delete;

  /// Sends one command and returns all that came up to its end.
  std::string command(const std::string& line);
  /// The same, but a refusal is an answer too: it is in the last line.
  std::string try_command(const std::string& line);
  void append(const std::string& mailbox, const std::string& message, const std::string& flags = "",
              const std::string& date = "");

  /// All messages of a mailbox, by UID. `with_body` false leaves the bodies out.
  std::vector<ServerMessage> messages(const std::string& mailbox, bool with_body = true);
  /// Those that are not flagged \Deleted.
  std::vector<ServerMessage> living(const std::string& mailbox);
  bool exists(const std::string& mailbox);
  /// How many messages were ever put into the mailbox: UIDNEXT - 1.
  std::uint32_t ever(const std::string& mailbox);

 private:
  std::string line();
  std::string octets(std::size_t count);
  /// A line with its literals put in.
  std::string response();
  void send(const std::string& bytes);

  int socket_ = -1;
  int commands_ = 0;
  std::string input_;
};

/// "name" as an IMAP quoted string.
std::string imap_quoted(const std::string& name);
/// The octets of a text file as mail has to have them: every line ends with CRLF.
std::string with_crlf(const std::string& text);

}  // namespace imapfs::testing
