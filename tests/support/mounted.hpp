#pragma once
// The real program, mounted by its own command, for the e2e tests.

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dovecot.hpp"
#include "process.hpp"
#include "temporary_directory.hpp"

namespace imapfs::testing {

/// Why e2e tests cannot run here (no /dev/fuse), or nothing. Where /dev/fuse exists they must run.
std::optional<std::string> why_no_mount();

/// How the program reaches a server and logs in there.
struct ServerAddress {
  std::string url;
  std::string ca_file;  ///< need not exist
  std::string password_file;
};

/// Mounts on a fresh directory with a cache and a state directory of its own; unmounts when the object goes.
class Mounted {
 public:
  struct Settings {
    std::vector<std::string> options;  ///< further arguments, for example "--refresh=1"
    std::string url;                   ///< default: the server's
    std::string cache;                 ///< default: a directory that goes with the object
    std::string state;                 ///< likewise
  };
  /// Throws (with what the program printed) if the mount fails.
  explicit Mounted(const Dovecot& dovecot) : Mounted(dovecot, Settings{}) {}
  Mounted(const Dovecot& dovecot, const Settings& settings)
      : Mounted(ServerAddress{dovecot.url(), dovecot.ca_file(), dovecot.password_file()}, settings) {}
  Mounted(const ServerAddress& server, const Settings& settings);
  ~Mounted();
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

  void unmount();
  void mount();
  /// SIGKILL for the daemon, then the dead mount is detached.
  void kill_daemon();
  [[nodiscard]] pid_t daemon_pid() const;

  [[nodiscard]] const std::string& path() const { return mountpoint_; }
  [[nodiscard]] std::string path(const std::string& name) const { return mountpoint_ + "/" + name; }
  [[nodiscard]] const std::string& cache() const { return cache_; }
  /// Where the journal's directories are: one for each account.
  [[nodiscard]] const std::string& state() const { return state_; }
  [[nodiscard]] std::string log() const { return read_file(log_); }
  /// What the command has written to standard error when it mounted last.
  [[nodiscard]] const std::string& said() const { return said_; }
  /// Mounts by another command, a variant of command(). It may fail.
  CommandResult mount_by(const std::string& command);
  /// The command that mounts, for the shell.
  [[nodiscard]] const std::string& command() const { return command_; }
  /// .imapfs/status
  [[nodiscard]] nlohmann::json status() const;
  [[nodiscard]] std::uint64_t counter(const std::string& name) const;
  /// Names in a directory of the mount, sorted.
  [[nodiscard]] std::vector<std::string> list(const std::string& directory) const;
  /// Runs a script in the mountpoint with the shell.
  [[nodiscard]] CommandResult run(const std::string& script, int seconds = 60) const;

 private:
  TemporaryDirectory directory_{on_disk()};
  std::string mountpoint_;
  std::string cache_;
  std::string state_;
  std::string log_;
  std::string command_;
  std::string said_;
  bool mounted_ = false;
};

/// The program's path, for tests of its exit status and messages.
std::string imapfs_binary();

}  // namespace imapfs::testing
