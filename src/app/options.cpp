#include "app/options.hpp"

#include <pwd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "app/option_rows.hpp"
#include "app/option_values.hpp"

namespace imapfs::app {
namespace {

constexpr std::string_view usage = "imapfs [OPTIONS] imaps://[USER@]HOST[:PORT] MOUNTPOINT";

const OptionRow* find_row(std::string_view name) {
  for (const auto& row : option_rows()) {
    if (row.description.name == name) return &row;
  }
  return nullptr;
}

tl::unexpected<Error> unknown_option(std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto& row : option_rows()) known.push_back(row.description.name);
  const std::string_view meant = nearest(name, known);
  const std::string shown = telemetry::printable(name);
  if (!meant.empty()) return fail(EINVAL, "unknown option '{}': did you mean '{}'?", shown, meant);
  return fail(EINVAL, "unknown option '{}' (imapfs --help lists them all)", shown);
}

/// One "name" or "name=value" of -o as the long option it stands for; nothing for what mount(8) keeps for itself.
Result<std::optional<std::string>> as_long_option(const std::string& item) {
  const std::string name = item.substr(0, item.find('='));
  // "x-systemd.automount": by convention for other programs than the file system.
  if (name.starts_with("x-") || name.starts_with("X-")) return std::optional<std::string>();
  const OptionRow* row = find_row(name);
  if (row == nullptr) return unknown_option(name);
  if (row->value == Value::required && name.size() == item.size())
    return fail(EINVAL, "option '{}' needs a value: {}={}", name, name, row->description.argument);
  return std::optional<std::string>("--" + item);
}

/// Replaces each -o list by long options in place, so that there is one kind of option from here on and later ones win.
Result<std::vector<std::string>> without_lists(const std::vector<std::string>& arguments) {
  std::vector<std::string> expanded;
  for (std::size_t position = 0; position < arguments.size(); ++position) {
    const std::string& argument = arguments[position];
    if (argument == "--") {
      expanded.insert(expanded.end(), arguments.begin() + static_cast<std::ptrdiff_t>(position), arguments.end());
      break;
    }
    if (!argument.starts_with("-o")) {
      expanded.push_back(argument);
      continue;
    }
    std::string list = argument.substr(2);
    if (list.empty()) {
      if (++position == arguments.size()) return fail(EINVAL, "option '-o' needs a value: -o NAME[=VALUE][,…]");
      list = arguments[position];
    }
    for (const auto& item : split_mount_options(list)) {
      if (auto option = IMAPFS_TRY(as_long_option(item))) expanded.push_back(std::move(*option));
    }
  }
  return expanded;
}

Result<void> apply_one(Draft& draft, const OptionRow& row, const std::string& text) {
  const bool bare = row.value != Value::required && text == "true";
  if (row.value == Value::none && !bare) return fail(EINVAL, "option '{}' takes no value", row.description.name);
  auto applied = row.apply(draft, bare ? std::string() : text);
  if (applied) return {};
  std::string reason = applied.error().what;
  // Every sentence names option and value; passwords are never values of options.
  if (!bare && reason.find('"') == std::string::npos)
    reason = fmt::format("\"{}\": {}", telemetry::printable(text), reason);
  return fail(EINVAL, "option '{}': {}", row.description.name, reason);
}

/// What is left over after the options.
struct Positionals {
  std::vector<std::string> values;
};

/// CLI11 takes the command line apart; the rows say what each part means, in the order given.
Result<Positionals> read_arguments(std::vector<std::string> arguments, Draft& draft) {
  CLI::App parser;
  parser.set_help_flag();
  Positionals positionals;
  parser.add_option("positionals", positionals.values);
  parser.allow_extras();
  std::map<const CLI::Option*, const OptionRow*> rows;
  for (const auto& row : option_rows()) {
    const std::string names = (row.letter != 0 ? std::string("-") + row.letter + "," : "") + "--" +
                              std::string(row.description.name);
    CLI::Option* option = row.value == Value::required ? parser.add_option(names)->expected(1) : parser.add_flag(names);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    rows.emplace(option, &row);
  }
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes a vector from its end
    parser.parse(arguments);
    for (const auto& extra : parser.remaining()) {
      if (extra.size() > 1 && extra.front() == '-' && extra != "--") {
        const std::size_t dashes = extra.find_first_not_of('-');
        if (dashes == std::string::npos) continue;
        return unknown_option(extra.substr(dashes, extra.find('=') - dashes));
      }
    }
    std::map<const CLI::Option*, std::size_t> used;
    for (const CLI::Option* option : parser.parse_order()) {
      const auto row = rows.find(option);
      if (row == rows.end()) continue;
      const auto& values = option->results();
      const std::size_t index = used[option]++;
      if (index < values.size()) IMAPFS_TRY(apply_one(draft, *row->second, values[index]));
    }
  } catch (const CLI::ArgumentMismatch& mismatch) {
    const std::string what = mismatch.what();  // "--timeout: 1 required …"
    const std::size_t name = what.find_first_not_of('-');
    return fail(EINVAL, "option '{}' needs a value", telemetry::printable(what.substr(name, what.find(':') - name)));
  } catch (const CLI::Error& error) {
    return fail(EINVAL, "{}", telemetry::printable(error.what()));
  }
  return positionals;
}

std::string own_name() {
  std::vector<char> buffer(16384);
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return {};
}

Result<void> apply_url(Draft& draft, const std::string& text) {
  const AccountUrl url = IMAPFS_TRY(parse_url(text));
  Options& options = draft.options;
  if (draft.user_given && !url.user.empty() && url.user != options.user) {
    return fail(EINVAL, "option 'user': the address names another user, \"{}\"", telemetry::printable(url.user));
  }
  if (!url.user.empty()) options.user = url.user;
  if (options.user.empty()) options.user = own_name();
  if (options.user.empty()) return fail(EINVAL, "no user name: write imaps://USER@{} or user=USER", url.host);
  options.endpoint = {url.host, url.port};
  options.implicit_tls = url.implicit_tls;
  return {};
}

Result<void> check_together(Draft& draft) {
  Options& options = draft.options;
  if (options.insecure && options.implicit_tls) {
    options.insecure = false;
    options.warnings.emplace_back("option 'insecure' has no effect with imaps://, which is always encrypted");
  }
  if (options.insecure && draft.insecure_consent.empty() && !is_loopback(options.endpoint.host)) {
    return fail(EINVAL,
                "option 'insecure': password and mail would cross the network in the clear; use imaps://, or say "
                "insecure=yes-really");
  }
  if (!options.tls.client_key.empty() && options.tls.client_certificate.empty()) {
    return fail(EINVAL, "option 'client-key' needs client-cert");
  }
  if (!options.tls.ca_file.empty() && !options.tls.fingerprint.empty()) {
    return fail(EINVAL,
                "options 'ca-file' and 'fingerprint' exclude each other: a fingerprint trusts one certificate, whoever "
                "signed it");
  }
  if (!options.password_file.empty() && !options.password_command.empty()) {
    return fail(EINVAL, "options 'password-file' and 'password-command' exclude each other");
  }
  if (!options.cache && !options.cache_dir.empty())
    options.warnings.emplace_back("option 'cache-dir' has no effect with no-cache");
  if (options.read_only && !options.append_flags.to_string().empty())
    options.warnings.emplace_back("option 'append-flags' has no effect with ro");
  if (options.log_target == LogTarget::file && options.log_file.empty())
    return fail(EINVAL, "option 'log': \"file\" needs log-file");
  if (!options.log_file.empty() && !draft.log_target_given) options.log_target = LogTarget::file;
  if (!options.log_file.empty() && options.log_target != LogTarget::file) {
    return fail(EINVAL, "options 'log' and 'log-file' name different places");
  }
  if (options.fsname.empty()) {
    options.fsname = "imapfs#" + options.account();
    // A comma would end the kernel's option, a space the field in /proc/mounts.
    for (char& character : options.fsname) {
      if (static_cast<unsigned char>(character) <= 0x20 || character == ',' || character == '\\' || character == 0x7f)
        character = '_';
    }
  }
  return {};
}

std::string bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

}  // namespace

std::string Options::account() const {
  std::string name = fmt::format("{}@{}", user, bracketed(endpoint.host));
  if (endpoint.port != default_port(implicit_tls)) name += fmt::format(":{}", endpoint.port);
  return name;
}

std::string Options::url() const {
  return fmt::format("{}://{}@{}:{}", implicit_tls ? "imaps" : "imap", percent_encode(user), bracketed(endpoint.host),
                     endpoint.port);
}

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Draft draft;
  // The default of NameTemplate is nothing, not the default template.
  draft.options.names = IMAPFS_TRY(mime::NameTemplate::parse(mime::NameTemplate::default_text));
  const Positionals positionals = IMAPFS_TRY(read_arguments(IMAPFS_TRY(without_lists(arguments)), draft));
  Options& options = draft.options;
  if (options.action == Action::help || options.action == Action::version) return options;

  const auto& values = positionals.values;
  if (values.empty()) return fail(EINVAL, "no account given: {} (imapfs --help lists the options)", usage);
  IMAPFS_TRY(apply_url(draft, values[0]));
  const std::size_t expected = options.action == Action::check ? 1 : 2;
  if (values.size() < expected) return fail(EINVAL, "no mount point given: {}", usage);
  if (values.size() > expected)
    return fail(EINVAL, "unexpected argument \"{}\": {}", telemetry::printable(values[expected]), usage);
  if (expected == 2) {
    auto mountpoint = parse_path(values[1]);
    if (!mountpoint) return fail(EINVAL, "the mount point: {}", mountpoint.error().what);
    options.mountpoint = std::move(*mountpoint);
  }
  IMAPFS_TRY(check_together(draft));
  return options;
}

const std::vector<OptionDescription>& option_table() {
  static const std::vector<OptionDescription> table = [] {
    std::vector<OptionDescription> descriptions;
    for (const auto& row : option_rows()) descriptions.push_back(row.description);
    return descriptions;
  }();
  return table;
}

std::string help_text() {
  using Group = OptionDescription::Group;
  static constexpr std::pair<Group, std::string_view> titles[] = {
      {Group::account, "Account"},
      {Group::password, "Password (asked for on the terminal if none is given)"},
      {Group::mount, "Mount"},
      {Group::writing, "Writing"},
      {Group::behaviour, "Behaviour"},
      {Group::log, "Log and help"},
      {Group::compatibility, "Accepted for mount(8), fstab and systemd (and x-*)"},
  };
  std::string text = fmt::format(
      "Usage: {}\n       imapfs --check imaps://[USER@]HOST[:PORT]\n\nMounts the mailboxes of an IMAP account as "
      "directories, messages as files. imap:// is STARTTLS.\n"
      "Every option can be written --NAME=VALUE and -o NAME=VALUE[,NAME=VALUE].\n",
      usage);
  for (const auto& [group, title] : titles) {
    text += fmt::format("\n{}:\n", title);
    for (const auto& row : option_rows()) {
      if (row.description.group != group) continue;
      const std::string letter = row.letter != 0 ? fmt::format("-{}, ", row.letter) : "    ";
      std::string value;
      if (!row.description.argument.empty())
        value = row.value == Value::optional ? fmt::format("[={}]", row.description.argument)
                                             : fmt::format("={}", row.description.argument);
      text += fmt::format("  {}{:<28} {}\n", letter, fmt::format("--{}{}", row.description.name, value),
                          row.description.help);
    }
  }
  return text;
}

}  // namespace imapfs::app
