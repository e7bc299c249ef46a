#pragma once
// The program between the fork and the end: builds every layer, mounts, serves, and takes it down in order.
//
// start() connects, reads the mailbox list and mounts; it returns when the mount is live, and at once, with EINTR, when
// a signal asks for the end. What is less than was asked for is said on standard error (notices.hpp). run() blocks on
// the main thread until SIGTERM, SIGINT, SIGHUP or an unmount from outside, handles SIGUSR1 (a dump into the log),
// gives accepted changes time to reach the server (a second signal ends that), and then stops every thread. A mount
// that is gone from the daemon's own mount namespace is unmounted, whoever still has it. One Daemon per process, used
// from the main thread; signals must be blocked before the first thread starts, which the constructor does.

#include <memory>

#include "app/options.hpp"
#include "app/secrets.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::app {

class Daemon {
 public:
  Daemon(Options options, std::shared_ptr<PasswordSource> password);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<void> start();
  /// The process's exit status.
  int run();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// How the account is reached and entered.
imap::AccountSettings account_settings(const Options& options, std::shared_ptr<PasswordSource> password);

/// `imapfs --check URL`: connects, logs in, prints what the server can do; the exit status.
int check_account(const Options& options, std::shared_ptr<PasswordSource> password);

}  // namespace imapfs::app
