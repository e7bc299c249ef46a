#pragma once
// A real Dovecot with a private configuration, started and stopped by the test (contrib/dovecot-sandbox), and the means
// to act on its mail as another client would.

#include <cstdint>
#include <string>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "process.hpp"
#include "temporary_directory.hpp"

namespace imapfs::testing {

class Dovecot {
 public:
  /// `options` of contrib/dovecot-sandbox. Throws if it does not start.
  explicit Dovecot(const std::vector<std::string>& options = {});
  ~Dovecot();
  Dovecot(const Dovecot&) = delete;
  Dovecot& operator=(const Dovecot&) = delete;

  /// Starts again on the same ports, perhaps with other options; the mail stays.
  void restart(const std::vector<std::string>& options);
  void stop();
  /// Drops every connection without stopping the server.
  void kick();
  /// Stops its processes where they are: connections stand, nothing is answered. thaw() lets them go on.
  void freeze();
  void thaw();

  /// Delivers `message` (LF or CRLF, stored as given).
  void deliver(const std::string& mailbox, const std::string& message);
  /// Delivers `count` short messages with increasing subjects ("<prefix> 1" …) quickly.
  void deliver_many(const std::string& mailbox, int count, const std::string& prefix = "Message");
  /// doveadm with arguments as the shell takes them; its output. Throws when it fails.
  std::string doveadm(const std::string& arguments) const;
  /// A Python script over imaplib as another client: `script` sees a logged-in connection `imap`. Throws when it fails.
  std::string other_client(const std::string& script) const;

  [[nodiscard]] std::string url() const;           ///< imaps://anna@localhost:PORT
  [[nodiscard]] std::string starttls_url() const;  ///< imap://anna@localhost:PORT
  [[nodiscard]] const std::string& ca_file() const { return ca_file_; }
  [[nodiscard]] const std::string& password_file() const { return password_file_; }
  [[nodiscard]] std::string password() const;
  [[nodiscard]] std::uint16_t imaps_port() const { return imaps_port_; }
  [[nodiscard]] std::uint16_t imap_port() const { return imap_port_; }
  /// Settings for imap::open_session over TLS.
  [[nodiscard]] imap::AccountSettings account_settings() const;
  [[nodiscard]] std::string directory() const { return directory_.path(); }

 private:
  void run_sandbox(const std::string& arguments) const;
  TemporaryDirectory directory_{on_disk()};
  std::uint16_t imap_port_ = 0;
  std::uint16_t imaps_port_ = 0;
  std::string ca_file_;
  std::string password_file_;
};

/// A small valid message with CRLF line ends.
std::string sample_message(const std::string& subject, const std::string& from = "Bob Baker <bob@example.org>",
                           const std::string& text = "Hello.\r\n");

}  // namespace imapfs::testing
