#pragma once
// A real IMAP server in the test's process, over TCP and TLS, for a real mount: its mail is in memory (ImapAccount),
// what it answers is ImapCommands' and may be bent, and what it is asked is counted (ImapLog).
//
// One thread per connection. The destructor ends them. Anybody may log in.

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "imap_account.hpp"
#include "imap_commands.hpp"
#include "imap_log.hpp"
#include "imap_stream.hpp"
#include "test_certificates.hpp"

namespace imapfs::testing {

class ImapServer {
 public:
  explicit ImapServer(std::unique_ptr<ImapCommands> commands = std::make_unique<ImapCommands>());
  ~ImapServer();
  ImapServer(const ImapServer&) = delete;
  ImapServer& operator=(const ImapServer&) = delete;

  [[nodiscard]] ImapAccount& account() { return account_; }
  [[nodiscard]] ImapLog& log() { return log_; }
  /// Ends every connection; new ones are welcome.
  void drop_connections();

  [[nodiscard]] std::string url() const;  ///< imaps://anna@localhost:PORT
  [[nodiscard]] const std::string& ca_file() const { return ca_file_.path(); }
  [[nodiscard]] const std::string& password_file() const { return password_file_.path(); }

 private:
  struct Connection {
    std::unique_ptr<ImapStream> stream;
    std::thread thread;
    int number = 0;
  };

  void accept_clients();
  void serve(Connection& connection);

  const std::unique_ptr<ImapCommands> commands_;
  ImapAccount account_;
  ImapLog log_;
  const Credential authority_ = make_authority();
  const TemporaryFile ca_file_{authority_.certificate_pem()};
  const TemporaryFile password_file_{"secret\n"};
  SSL_CTX* const context_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::list<Connection> connections_;  ///< guarded by mutex_; none is removed before the end
  std::thread accepting_;
};

}  // namespace imapfs::testing
