#include "mounted.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace imapfs::testing {

std::optional<std::string> why_no_mount() {
  if (access("/dev/fuse", F_OK) != 0) return "/dev/fuse does not exist";
  return std::nullopt;
}

std::string imapfs_binary() { return IMAPFS_BINARY; }

namespace {

/// Not below /tmp: there vim and Emacs make no backups, and so work in another way than in people's mail.
std::string make_mountpoint() {
  std::string pattern = "/var/tmp/imapfs-mount-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp in /var/tmp");
  return pattern;
}

/// Its number in /sys/fs/fuse/connections, which is the mount's device; empty if it is not mounted (mountinfo,
/// proc(5)).
std::string fuse_connection_of(const std::string& mountpoint) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string found;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, where;
    words >> id >> parent >> device >> root >> where;
    if (where == mountpoint) found = device.substr(device.find(':') + 1);
  }
  return found;
}

}  // namespace

Mounted::Mounted(const ServerAddress& server, const Settings& settings)
    : mountpoint_(make_mountpoint()), cache_(settings.cache.empty() ? directory_.path("cache") : settings.cache),
      state_(settings.state.empty() ? directory_.path("state") : settings.state), log_(directory_.path("log")) {
  // The journal is found through the environment as it is for a user who gives no option.
  command_ = "XDG_STATE_HOME=" + shell_quote(state_) + " " + shell_quote(imapfs_binary()) + " " +
             shell_quote(settings.url.empty() ? server.url : settings.url) + " " + shell_quote(mountpoint_) +
             " --password-file=" + shell_quote(server.password_file) + " --cache-dir=" + shell_quote(cache_) +
             " --log=file --log-file=" + shell_quote(log_);
  if (std::filesystem::exists(server.ca_file)) command_ += " --ca-file=" + shell_quote(server.ca_file);
  for (const auto& option : settings.options) command_ += " " + shell_quote(option);
  mount();
}

Mounted::~Mounted() {
  if (mounted_) unmount();
  // An empty directory: never what a mount that is still there holds.
  ::rmdir(mountpoint_.c_str());
}

void Mounted::mount() {
  const auto result = mount_by(command_);
  if (result.status != 0)
    throw std::runtime_error("mount failed with status " + std::to_string(result.status) + ": " + command_ + "\n" +
                             result.output + result.errors + log());
}

CommandResult Mounted::mount_by(const std::string& command) {
  auto result = shell(command);
  said_ = result.errors;
  mounted_ = result.status == 0;
  return result;
}

void Mounted::unmount() {
  const pid_t pid = daemon_pid();
  const auto result = shell("fusermount3 -u " + shell_quote(mountpoint_));
  if (result.status != 0) shell("fusermount3 -uz " + shell_quote(mountpoint_));
  mounted_ = false;
  if (pid <= 0) return;
  if (!eventually([&] { return !process_runs(pid); }, 20)) {
    kill(pid, SIGKILL);
    throw std::runtime_error("the daemon did not end after the unmount\n" + log());
  }
}

void Mounted::kill_daemon() {
  const pid_t pid = daemon_pid();
  if (pid <= 0) throw std::runtime_error("no daemon to kill");
  const auto connection = fuse_connection_of(mountpoint_);
  kill(pid, SIGKILL);
  // A thread that tells the kernel of a name waits for the directory's lock, which may be held by who waits for an
  // answer in it: such a daemon does not die before its connection is aborted (umount -f does that).
  if (!eventually([&] { return !process_runs(pid); }, 5) && !connection.empty()) {
    std::ofstream("/sys/fs/fuse/connections/" + connection + "/abort") << 1;
    eventually([&] { return !process_runs(pid); });
  }
  shell("fusermount3 -uz " + shell_quote(mountpoint_));
  mounted_ = false;
}

pid_t Mounted::daemon_pid() const {
  const auto result = shell("pgrep -f -- " + shell_quote(" " + mountpoint_ + " "));
  return result.status == 0 ? std::stoi(result.output) : -1;
}

nlohmann::json Mounted::status() const { return nlohmann::json::parse(read_file(path(".imapfs/status"))); }

std::uint64_t Mounted::counter(const std::string& name) const { return status().at("counters").at(name); }

std::vector<std::string> Mounted::list(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path(directory)))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

CommandResult Mounted::run(const std::string& script, int seconds) const {
  return shell("cd " + shell_quote(mountpoint_) + " && { " + script + "\n}", seconds);
}

}  // namespace imapfs::testing
