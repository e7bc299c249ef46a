#include "app/secrets.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <utility>

#include "app/netrc.hpp"
#include "app/password_input.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::app {
namespace {

constexpr unsigned readable_by_others = 044;
constexpr const char* no_source =
    "no password: give password-file, password-command, a ~/.netrc entry or a systemd credential, or run imapfs on a "
    "terminal";

/// A source that is asked anew at each login.
class ReadAgain : public PasswordSource {
 public:
  using Reader = std::function<Result<std::string>(const CallContext&)>;
  ReadAgain(std::string description, Reader reader)
      : description_(std::move(description)), reader_(std::move(reader)) {}
  Result<std::string> get(const CallContext& context) override { return reader_(context); }
  [[nodiscard]] std::string description() const override { return description_; }

 private:
  const std::string description_;
  const Reader reader_;
};

/// A password that could be had only once.
class Remembered : public PasswordSource {
 public:
  Remembered(std::string description, std::string password)
      : description_(std::move(description)), secret_(std::move(password)) {}
  Result<std::string> get(const CallContext&) override { return secret_.text(); }
  [[nodiscard]] std::string description() const override { return description_; }

 private:
  const std::string description_;
  const Secret secret_;
};

using Source = Result<std::shared_ptr<PasswordSource>>;

/// Reads now, so that a mistake shows before the daemon leaves the terminal, and hands the reader on.
Source checked(std::string description, ReadAgain::Reader reader, const CallContext& context) {
  auto password = reader(context);
  if (!password) return fail(std::move(password).error());
  wipe(*password);
  return std::make_shared<ReadAgain>(std::move(description), std::move(reader));
}

Result<std::string> read_password_file(const std::string& path) {
  unsigned mode = 0;
  auto text = read_secret_file(path, mode);
  if (!text) return fail(std::move(text).error().while_doing("the password file"));
  return first_line(std::move(*text), "the password file " + telemetry::printable(path));
}

Source from_file(const std::string& path, const CallContext& context) {
  if (path == "-") {
    auto text = read_standard_input(context);
    if (!text) return fail(std::move(text).error());
    auto password = first_line(std::move(*text), "standard input");
    if (!password) return fail(std::move(password).error());
    return std::make_shared<Remembered>("standard input", std::move(*password));
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & readable_by_others) != 0) {
    telemetry::warning("the password file {} can be read by others: chmod 600 it", telemetry::printable(path));
  }
  return checked(
      "password file " + telemetry::printable(path), [path](const CallContext&) { return read_password_file(path); },
      context);
}

class FromCommand : public PasswordSource {
 public:
  explicit FromCommand(std::string command) : command_(std::move(command)) {}
  Result<std::string> get(const CallContext& context) override {
    auto output = run_command(command_, context, slow_);
    if (!output) return output;
    return first_line(std::move(*output), "the password command");
  }
  void on_slow(std::function<void(std::chrono::seconds)> listener) override { slow_ = std::move(listener); }
  [[nodiscard]] std::string description() const override { return "password command"; }

 private:
  const std::string command_;
  std::function<void(std::chrono::seconds)> slow_;
};

Source from_command(const std::string& command) {
  // Not run now: it may ask the user for something, and is run at the first login anyway.
  return std::make_shared<FromCommand>(command);
}

/// systemd.exec(5), LoadCredential=. Null where there is none.
Source from_credential(const Options& options, const CallContext& context) {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || directory[0] != '/') return std::shared_ptr<PasswordSource>();
  for (const std::string& name : {"imapfs." + options.account(), std::string("imapfs.password")}) {
    if (name.find('/') != std::string::npos) continue;
    const std::string path = fmt::format("{}/{}", directory, name);
    if (::access(path.c_str(), F_OK) == 0) {
      return checked(
          "systemd credential " + telemetry::printable(name),
          [path](const CallContext&) { return read_password_file(path); }, context);
    }
  }
  return std::shared_ptr<PasswordSource>();
}

Result<std::string> read_netrc(const std::string& path, const std::string& host, const std::string& user) {
  unsigned mode = 0;
  auto text = read_secret_file(path, mode);
  if (!text) return fail(std::move(text).error());
  if ((mode & readable_by_others) != 0) {
    wipe(*text);
    return fail(EACCES, Scope::account, Retry::never, "{} can be read by others: chmod 600 it",
                telemetry::printable(path));
  }
  auto password = find_in_netrc(*text, host, user);
  wipe(*text);
  if (!password) {
    return fail(ENOENT, Scope::account, Retry::never, "{} has no password for {} at {}", telemetry::printable(path),
                telemetry::printable(user), host);
  }
  return first_line(std::move(*password), telemetry::printable(path));
}

/// A ~/.netrc that nobody named and that says nothing of this account is no error: null.
Source from_netrc(const Options& options, const CallContext& context) {
  std::string path = options.netrc;
  if (path.empty()) {
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') return std::shared_ptr<PasswordSource>();
    path = std::string(home) + "/.netrc";
    if (::access(path.c_str(), F_OK) != 0) return std::shared_ptr<PasswordSource>();
  }
  const auto reader = [path, host = options.endpoint.host, user = options.user](const CallContext&) {
    return read_netrc(path, host, user);
  };
  auto source = checked("netrc " + telemetry::printable(path), reader, context);
  if (!source && source.error().errnum == ENOENT) {
    if (options.netrc.empty()) return std::shared_ptr<PasswordSource>();
    Error error = std::move(source).error();
    error.errnum = EACCES;
    return fail(std::move(error));
  }
  return source;
}

Source from_terminal(const Options& options, const CallContext& context) {
  const std::string question = fmt::format("Password for {} at {}: ", telemetry::printable(options.user),
                                           telemetry::printable(options.endpoint.host));
  auto password = ask_terminal(question, context);
  if (!password && password.error().errnum == ENXIO) return fail(EACCES, Scope::account, Retry::never, "{}", no_source);
  if (!password) return fail(std::move(password).error().while_doing("the password prompt"));
  if (password->empty()) return fail(EACCES, Scope::account, Retry::never, "no password was typed");
  return std::make_shared<Remembered>("terminal", std::move(*password));
}

}  // namespace

Source choose_password_source(const Options& options, const CallContext& context) {
  if (!options.password_file.empty()) return from_file(options.password_file, context);
  if (!options.password_command.empty()) return from_command(options.password_command);
  auto source = from_credential(options, context);
  if (!source || *source) return source;
  source = from_netrc(options, context);
  if (!source || *source) return source;
  return from_terminal(options, context);
}

}  // namespace imapfs::app
