#pragma once
// The command line: every option in one table, parsed into one struct.
//
// Each option can be given as --name=value and as -o name=value (several, separated by commas; a comma or backslash
// inside a value is written "\,", "\\"), so that a shell, mount(8) and fstab can say the same things. Values are
// checked here; what depends on the machine (does the mount point exist?) is checked by who uses it. Pure functions,
// except that they look at the environment for defaults.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include "imapfs/base/result.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/compression_choice.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/net/tls_stream.hpp"
#include "imapfs/sync/sync_settings.hpp"

namespace imapfs::app {

/// Where the log goes; automatic: standard error with -f, else the journal where it runs, else imapfs.log in the cache.
enum class LogTarget : std::uint8_t { automatic, standard_error, file, journal };

enum class Action : std::uint8_t { mount, check, help, version };

struct Options {
  Action action = Action::mount;

  // The account.
  std::string user;          ///< from the URL or user=; empty only for help and version
  net::Endpoint endpoint;    ///< port 993 or 143 by scheme unless given
  bool implicit_tls = true;  ///< imaps://
  bool insecure = false;     ///< plain text allowed when STARTTLS is missing; refused unless the host is loopback or
                             ///< insecure=yes-really
  net::TlsSettings tls;
  imap::QuirkOverrides quirks;

  // Where the password comes from, first that is set (secrets.hpp).
  std::string password_file;
  std::string password_command;
  std::string netrc;  ///< a file; empty: ~/.netrc if it exists

  // The mount.
  std::string mountpoint;  ///< absolute
  bool foreground = false;
  bool debug = false;  ///< -d: foreground, log level debug, every category traced
  bool allow_other = false;
  bool nonempty = false;
  bool auto_unmount = false;
  bool list_xattrs =
      false;  ///< listxattr(2) names the extended attributes; else they are there for who knows their names
  bool read_only = false;  ///< ro: the kernel refuses changes, and inotify events cannot be raised
  sync::RemovalPolicy removal = sync::RemovalPolicy::automatic;
  bool write_behind = true;  ///< async; false (sync): a change is answered when the server has carried it out
  FlagSet append_flags;      ///< of new messages
  std::string fsname;        ///< default "imapfs#user@host"
  std::vector<std::string> kernel_options;  ///< nosuid, nodev, noexec, noatime …: passed to the mount
  uid_t uid = ::getuid();
  gid_t gid = ::getgid();
  std::optional<mode_t> umask;  ///< none: of who mounts with allow_other, else 0
  mime::NameTemplate names;

  // Time and size.
  std::chrono::seconds timeout{30};
  std::chrono::seconds refresh{60};
  std::chrono::seconds idle{540};
  std::chrono::seconds poll{60};
  std::size_t connections = 4;
  imap::CompressionMode compress = imap::CompressionMode::automatic;
  bool watch = true;
  std::string cache_dir;  ///< empty: store::default_cache_root()
  bool cache = true;
  std::uint64_t cache_size = 1ULL << 30;
  std::string state_dir;  ///< empty: store::default_state_root()
  std::uint64_t staging_size = 2ULL << 30;

  // The log.
  telemetry::Level log_level = telemetry::Level::info;
  LogTarget log_target = LogTarget::automatic;
  std::string log_file;
  std::array<bool, telemetry::category_count> traced{};

  std::vector<std::string> warnings;  ///< for standard error, one sentence each

  /// "user@host" (with ":port" when it is not the scheme's own): the account's name for caches and inode numbers.
  [[nodiscard]] std::string account() const;
  /// "imaps://user@host:port".
  [[nodiscard]] std::string url() const;
};

/// A row of the table from which --help is printed and man/imapfs.1 is checked.
struct OptionDescription {
  std::string_view name;      ///< "timeout"
  std::string_view argument;  ///< "SECONDS"; empty for a switch
  std::string_view help;
  enum class Group : std::uint8_t { account, password, mount, writing, behaviour, log, compatibility };
  Group group = Group::behaviour;
};
const std::vector<OptionDescription>& option_table();

/// `arguments` without the program's name. Errors are EINVAL with a sentence that names the option and the value.
Result<Options> parse_options(const std::vector<std::string>& arguments);

[[nodiscard]] std::string help_text();

}  // namespace imapfs::app
