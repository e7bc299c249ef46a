#include <cstdio>

#include <string>
#include <vector>

#include "app/daemon.hpp"
#include "app/directories.hpp"
#include "app/options.hpp"
#include "app/process.hpp"
#include "app/secrets.hpp"
#include "app/startup.hpp"
#include "imapfs/fuse/mount.hpp"

namespace imapfs::app {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

int complain(const std::string& sentence, int status) {
  std::fprintf(stderr, "imapfs: %s\n", sentence.c_str());
  return status;
}

/// Everything that needs the user's terminal or working directory, so before the fork.
Result<std::shared_ptr<PasswordSource>> prepare(const Options& options) {
  IMAPFS_TRY(net::validate(options.tls));
  if (options.action == Action::mount) {
    fuse::MountSettings mount;
    mount.mountpoint = options.mountpoint;
    mount.nonempty = options.nonempty;
    IMAPFS_TRY(fuse::prepare_mountpoint(mount));
    IMAPFS_TRY(check_roots(options));
  }
  return choose_password_source(options, CallContext::within(std::chrono::minutes(5)));
}

int mount_account(const Options& options, std::shared_ptr<PasswordSource> password) {
  Startup startup(options.foreground);
  const auto detached = startup.detach();
  if (!detached) return complain(detached.error().what, exit_failure);
  if (*detached) return **detached;
  prepare_limits();
  Daemon daemon(options, std::move(password));
  if (const auto started = daemon.start(); !started) {
    startup.report_failure(started.error().what);
    return exit_failure;
  }
  startup.report_success();
  return daemon.run();
}

int run(const std::vector<std::string>& arguments) {
  open_standard_descriptors();
  const auto options = parse_options(arguments);
  if (!options) return complain(options.error().what, exit_usage);
  if (options->action == Action::help) return std::fputs(help_text().c_str(), stdout) < 0 ? exit_failure : 0;
  if (options->action == Action::version) return std::puts("imapfs " IMAPFS_VERSION) < 0 ? exit_failure : 0;
  protect_memory();
  for (const auto& warning : options->warnings) std::fprintf(stderr, "imapfs: warning: %s\n", warning.c_str());
  auto password = prepare(*options);
  if (!password) return complain(password.error().what, exit_failure);
  if (options->action == Action::check) return check_account(*options, std::move(*password));
  return mount_account(*options, std::move(*password));
}

}  // namespace
}  // namespace imapfs::app

int main(int argc, char** argv) { return imapfs::app::run(std::vector<std::string>(argv + 1, argv + argc)); }
