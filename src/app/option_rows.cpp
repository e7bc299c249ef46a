#include "app/option_rows.hpp"

#include <limits>

#include "app/option_values.hpp"

namespace imapfs::app {
namespace {

using Group = OptionDescription::Group;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Outcome = Result<void>;

constexpr std::uint64_t smallest_cache = 1 << 20;
constexpr std::uint64_t smallest_staging = 1 << 20;
constexpr std::size_t most_connections = 32;

/// A switch that sets a field to a constant.
template <auto Field, bool Setting = true>
Outcome set_flag(Draft& draft, const std::string&) {
  draft.options.*Field = Setting;
  return {};
}

template <auto Field>
Outcome set_path(Draft& draft, const std::string& text) {
  draft.options.*Field = IMAPFS_TRY(parse_path(text));
  return {};
}

template <auto Field>
Outcome set_tls_path(Draft& draft, const std::string& text) {
  draft.options.tls.*Field = IMAPFS_TRY(parse_path(text));
  return {};
}

template <auto Field, std::int64_t Least, std::int64_t Most>
Outcome set_seconds(Draft& draft, const std::string& text) {
  draft.options.*Field = IMAPFS_TRY(parse_seconds(text, seconds(Least), seconds(Most)));
  return {};
}

template <Action Chosen>
Outcome set_action(Draft& draft, const std::string&) {
  draft.options.action = Chosen;
  return {};
}

/// Accepted because mount(8), fstab or systemd pass it; `help` says why it has no effect of its own.
Outcome accept(Draft&, const std::string&) { return {}; }

Outcome set_user(Draft& draft, const std::string& text) {
  // "user" alone is fstab's permission for users to mount.
  if (text.empty()) return {};
  for (const char character : text) {
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f)
      return fail(EINVAL, "a user name with a control character");
  }
  draft.options.user = text;
  draft.user_given = true;
  return {};
}

template <auto Field>
Outcome set_id(Draft& draft, const std::string& text) {
  draft.options.*Field = static_cast<uid_t>(IMAPFS_TRY(parse_number(text, 0, std::numeric_limits<uid_t>::max() - 1)));
  return {};
}

Outcome set_umask(Draft& draft, const std::string& text) {
  draft.options.umask = IMAPFS_TRY(parse_umask(text));
  return {};
}

Outcome set_name(Draft& draft, const std::string& text) {
  draft.options.names = IMAPFS_TRY(mime::NameTemplate::parse(text));
  return {};
}

Outcome set_filesystem_name(Draft& draft, const std::string& text) {
  for (const char character : text) {
    if (static_cast<unsigned char>(character) <= 0x20 || character == 0x7f || character == ',') {
      return fail(EINVAL, "a name with a space, comma or control character");
    }
  }
  if (text.empty()) return fail(EINVAL, "an empty name");
  draft.options.fsname = text;
  return {};
}

Outcome set_debug(Draft& draft, const std::string&) {
  draft.options.debug = draft.options.foreground = true;
  draft.options.log_level = telemetry::Level::debug;
  draft.options.traced.fill(true);
  return {};
}

Outcome set_password_file(Draft& draft, const std::string& text) {
  draft.options.password_file = text == "-" ? text : IMAPFS_TRY(parse_path(text));
  return {};
}

Outcome set_password_command(Draft& draft, const std::string& text) {
  if (text.empty()) return fail(EINVAL, "an empty command");
  draft.options.password_command = text;
  return {};
}

Outcome set_fingerprint(Draft& draft, const std::string& text) {
  std::size_t digits = 0;
  for (const char character : text) {
    const bool hexadecimal = std::string_view("0123456789abcdefABCDEF").find(character) != std::string_view::npos;
    if (!hexadecimal && character != ':') return fail(EINVAL, "not a SHA-256 fingerprint in hexadecimal");
    digits += hexadecimal ? 1 : 0;
  }
  if (digits != 64) return fail(EINVAL, "not a SHA-256 fingerprint: {} of 64 hexadecimal digits", digits);
  draft.options.tls.fingerprint = text;
  return {};
}

Outcome set_insecure(Draft& draft, const std::string& text) {
  if (!text.empty() && text != "yes-really") return fail(EINVAL, "the only value is yes-really");
  draft.options.insecure = true;
  draft.insecure_consent = text;
  return {};
}

Outcome set_quirks(Draft& draft, const std::string& text) {
  draft.options.quirks = IMAPFS_TRY(imap::QuirkOverrides::parse(text));
  return {};
}

Outcome set_connections(Draft& draft, const std::string& text) {
  draft.options.connections = static_cast<std::size_t>(IMAPFS_TRY(parse_number(text, 1, most_connections)));
  return {};
}

Outcome set_cache_directory(Draft& draft, const std::string& text) {
  draft.options.cache_dir = IMAPFS_TRY(parse_path(text));
  return {};
}

Outcome set_cache_size(Draft& draft, const std::string& text) {
  draft.options.cache_size = IMAPFS_TRY(parse_size(text, smallest_cache));
  return {};
}

Outcome set_state_directory(Draft& draft, const std::string& text) {
  draft.options.state_dir = IMAPFS_TRY(parse_path(text));
  return {};
}

Outcome set_staging_size(Draft& draft, const std::string& text) {
  draft.options.staging_size = IMAPFS_TRY(parse_size(text, smallest_staging));
  return {};
}

Outcome set_removal(Draft& draft, const std::string& text) {
  draft.options.removal = IMAPFS_TRY(parse_removal(text));
  return {};
}

Outcome set_compression(Draft& draft, const std::string& text) {
  draft.options.compress = IMAPFS_TRY(parse_compression(text));
  return {};
}

Outcome set_append_flags(Draft& draft, const std::string& text) {
  draft.options.append_flags = IMAPFS_TRY(parse_append_flags(text));
  return {};
}

Outcome set_log_level(Draft& draft, const std::string& text) {
  draft.options.log_level = IMAPFS_TRY(telemetry::parse_level(text));
  return {};
}

Outcome set_log_target(Draft& draft, const std::string& text) {
  if (text == "auto") {
    draft.options.log_target = LogTarget::automatic;
  } else if (text == "stderr") {
    draft.options.log_target = LogTarget::standard_error;
  } else if (text == "file") {
    draft.options.log_target = LogTarget::file;
  } else if (text == "journal") {
    draft.options.log_target = LogTarget::journal;
  } else {
    return fail(EINVAL, "not one of auto, stderr, file and journal");
  }
  draft.log_target_given = true;
  return {};
}

Outcome set_trace(Draft& draft, const std::string& text) {
  draft.options.traced = IMAPFS_TRY(telemetry::parse_categories(text));
  return {};
}

OptionRow row(Group group, std::string_view name, std::string_view argument,
              Outcome (*apply)(Draft&, const std::string&), std::string_view help, char letter = 0,
              Value value = Value::none) {
  if (value == Value::none && !argument.empty()) value = Value::required;
  return OptionRow{{name, argument, help, group}, letter, value, apply};
}

std::vector<OptionRow> account_rows() {
  return {
      row(Group::account, "user", "NAME", set_user, "log in as NAME (default: the name in the address, else your own)",
          0, Value::optional),
      row(Group::account, "ca-file", "FILE", set_tls_path<&net::TlsSettings::ca_file>,
          "trust the authorities in this PEM file instead of the system's"),
      row(Group::account, "fingerprint", "SHA256", set_fingerprint,
          "trust exactly the certificate with this fingerprint"),
      row(Group::account, "client-cert", "FILE", set_tls_path<&net::TlsSettings::client_certificate>,
          "show this PEM certificate to the server"),
      row(Group::account, "client-key", "FILE", set_tls_path<&net::TlsSettings::client_key>,
          "the certificate's key, where it is a file of its own"),
      row(Group::account, "insecure", "yes-really", set_insecure,
          "with imap://: go on without TLS where the server has no STARTTLS (beyond this machine only with "
          "=yes-really)",
          0, Value::optional),
      row(Group::account, "quirks", "+NAME,-NAME", set_quirks,
          "add or remove workarounds for the server, see imapfs(7)"),
      row(Group::account, "check", "", set_action<Action::check>, "log in, print what the server can do, and exit"),
      row(Group::password, "password-file", "FILE", set_password_file,
          "read the password from the first line of FILE (-: standard input)"),
      row(Group::password, "password-command", "COMMAND", set_password_command,
          "run COMMAND at each login and take the first line it prints"),
      row(Group::password, "netrc", "FILE", set_path<&Options::netrc>,
          "look the password up in FILE (default: ~/.netrc if it is there)"),
  };
}

std::vector<OptionRow> mount_rows() {
  return {
      row(Group::mount, "foreground", "", set_flag<&Options::foreground>, "stay in the foreground", 'f'),
      row(Group::mount, "debug", "", set_debug, "stay in the foreground and log everything", 'd'),
      row(Group::mount, "ro", "", set_flag<&Options::read_only>, "let the kernel refuse every change"),
      row(Group::mount, "rw", "", set_flag<&Options::read_only, false>, "let changes reach the server (default)"),
      row(Group::mount, "name", "TEMPLATE", set_name, "name messages so (default: {date}_{from}_{subject}.{uid}.eml)"),
      row(Group::mount, "uid", "NUMBER", set_id<&Options::uid>, "show files as owned by this user (default: you)"),
      row(Group::mount, "gid", "NUMBER", set_id<&Options::gid>, "show files as owned by this group (default: yours)"),
      row(Group::mount, "umask", "OCTAL", set_umask, "take these bits away from the modes"),
      row(Group::mount, "allow_other", "", set_flag<&Options::allow_other>,
          "let other users in, as far as the modes allow"),
      row(Group::mount, "nonempty", "", set_flag<&Options::nonempty>, "mount over a directory that is not empty"),
      row(Group::mount, "auto_unmount", "", set_flag<&Options::auto_unmount>, "unmount when the daemon dies"),
      row(Group::mount, "list-xattrs", "", set_flag<&Options::list_xattrs>,
          "name extended attributes to programs that list them, and so to copies and backups"),
      row(Group::mount, "fsname", "NAME", set_filesystem_name,
          "the source that df and mount show (default: imapfs#user@host)"),
  };
}

std::vector<OptionRow> writing_rows() {
  return {
      row(Group::writing, "on-delete", "POLICY", set_removal,
          "auto, flag, trash or expunge: what rm means (default: auto, see imapfs(7))"),
      // Not for the kernel, which would send an FSYNC after each write(2): half a message would be uploaded.
      row(Group::writing, "sync", "", set_flag<&Options::write_behind, false>,
          "answer every change only when the server has carried it out"),
      row(Group::writing, "async", "", set_flag<&Options::write_behind>,
          "answer moves and removals when they are in the journal (default)"),
      row(Group::writing, "append-flags", "FLAGS", set_append_flags,
          "give these flags to new messages, for example \\Seen+\\Flagged (default: none)"),
      row(Group::writing, "state-dir", "DIRECTORY", set_state_directory,
          "keep the journal and files not uploaded yet here (default: $XDG_STATE_HOME/imapfs)"),
      row(Group::writing, "staging-size", "SIZE", set_staging_size,
          "files not uploaded yet may take this much (K, M, G, T; default: 2G)"),
  };
}

std::vector<OptionRow> behaviour_rows() {
  return {
      row(Group::behaviour, "timeout", "SECONDS", set_seconds<&Options::timeout, 1, 3600>,
          "no request takes longer (default: 30)"),
      row(Group::behaviour, "refresh", "SECONDS", set_seconds<&Options::refresh, 0, 86400>,
          "ask again about mailboxes that are not watched after this time (default: 60)"),
      row(Group::behaviour, "connections", "NUMBER", set_connections, "connections to the server at most (default: 4)"),
      row(Group::behaviour, "compress", "WHEN", set_compression,
          "auto, yes or no: compress what is transferred; auto: on slow links (default: auto)"),
      row(Group::behaviour, "watch", "", set_flag<&Options::watch>, "wait for new mail (default)"),
      row(Group::behaviour, "no-watch", "", set_flag<&Options::watch, false>, "look for new mail only on access"),
      row(Group::behaviour, "idle", "SECONDS", set_seconds<&Options::idle, 30, 1740>,
          "renew a waiting connection after this time (default: 540)"),
      row(Group::behaviour, "poll", "SECONDS", set_seconds<&Options::poll, 1, 86400>,
          "without IDLE: look for new mail this often (default: 60)"),
      row(Group::behaviour, "cache-dir", "DIRECTORY", set_cache_directory,
          "keep the cache here (default: $XDG_CACHE_HOME/imapfs)"),
      row(Group::behaviour, "cache-size", "SIZE", set_cache_size,
          "keep at most this much mail (K, M, G, T; default: 1G)"),
      row(Group::behaviour, "no-cache", "", set_flag<&Options::cache, false>, "keep nothing on disk"),
      row(Group::log, "log-level", "LEVEL", set_log_level, "debug, info, warning, error or off (default: info)"),
      row(Group::log, "log", "TARGET", set_log_target, "auto, stderr, file or journal (default: auto)"),
      row(Group::log, "log-file", "FILE", set_path<&Options::log_file>, "log to FILE"),
      row(Group::log, "trace", "AREAS", set_trace, "log each step in fuse, imap, sync, store, or all"),
      row(Group::log, "version", "", set_action<Action::version>, "print the version", 'V'),
      row(Group::log, "help", "", set_action<Action::help>, "print this help", 'h'),
  };
}

/// Handed to the kernel as they are.
template <const char* Name>
Outcome pass_on(Draft& draft, const std::string&) {
  draft.options.kernel_options.emplace_back(Name);
  return {};
}

constexpr char dev[] = "dev", nodev[] = "nodev", suid[] = "suid", nosuid[] = "nosuid", exec[] = "exec",
               noexec[] = "noexec", atime[] = "atime", noatime[] = "noatime", nodiratime[] = "nodiratime",
               dirsync[] = "dirsync";

std::vector<OptionRow> compatibility_rows() {
  constexpr std::string_view for_kernel = "passed to the kernel";
  constexpr std::string_view for_mount = "for mount(8) and systemd; no effect here";
  std::vector<OptionRow> rows = {
      row(Group::compatibility, dev, "", pass_on<dev>, for_kernel),
      row(Group::compatibility, nodev, "", pass_on<nodev>, for_kernel),
      row(Group::compatibility, suid, "", pass_on<suid>, for_kernel),
      row(Group::compatibility, nosuid, "", pass_on<nosuid>, for_kernel),
      row(Group::compatibility, exec, "", pass_on<exec>, for_kernel),
      row(Group::compatibility, noexec, "", pass_on<noexec>, for_kernel),
      row(Group::compatibility, atime, "", pass_on<atime>, for_kernel),
      row(Group::compatibility, noatime, "", pass_on<noatime>, for_kernel),
      row(Group::compatibility, nodiratime, "", pass_on<nodiratime>, for_kernel),
      row(Group::compatibility, dirsync, "", pass_on<dirsync>, for_kernel),
      row(Group::compatibility, "default_permissions", "", accept, "always on"),
      row(Group::compatibility, "subtype", "NAME", accept, "always imapfs"),
      row(Group::compatibility, "comment", "TEXT", accept, for_mount),
  };
  for (const std::string_view name : {"defaults", "relatime", "norelatime", "strictatime", "diratime", "auto", "noauto",
                                      "nouser", "users", "owner", "group", "_netdev", "nofail"}) {
    rows.push_back(row(Group::compatibility, name, "", accept, for_mount));
  }
  return rows;
}

}  // namespace

const std::vector<OptionRow>& option_rows() {
  static const std::vector<OptionRow> rows = [] {
    std::vector<OptionRow> all;
    for (auto part : {account_rows(), mount_rows(), writing_rows(), behaviour_rows(), compatibility_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return rows;
}

}  // namespace imapfs::app
