// What can be wrong with a mountpoint, said before libfuse and fusermount3 say it worse.
#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "fuse/session_support.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/fuse/mount.hpp"

namespace imapfs::fuse {
namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

template <class... Args>
tl::unexpected<Error> refuse(int errnum, fmt::format_string<Args...> format, Args&&... args) {
  return fail(errnum, Scope::account, Retry::never, format, std::forward<Args>(args)...);
}

/// The type of the topmost mount at exactly this path; empty if it is no mountpoint.
std::string mounted_type(const std::string& path) {
  std::string type;
  const std::unique_ptr<FILE, decltype(&::endmntent)> table(::setmntent("/proc/self/mounts", "re"), &::endmntent);
  if (!table) return type;
  mntent entry{};
  char buffer[PATH_MAX * 2];
  while (::getmntent_r(table.get(), &entry, buffer, sizeof buffer) != nullptr)
    if (path == entry.mnt_dir) type = entry.mnt_type;
  return type;
}

std::string absolute(const std::string& path) {
  // realpath() fails on a dead mount, so resolve its parent instead.
  const auto end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  const auto trimmed = path.substr(0, end + 1);
  const auto slash = trimmed.rfind('/');
  const auto parent = slash == std::string::npos ? std::string(".")
                      : slash == 0               ? std::string("/")
                                                 : trimmed.substr(0, slash);
  const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(parent.c_str(), nullptr), &::free);
  if (!resolved) return trimmed;
  const std::string base = resolved.get();
  return (base == "/" ? base : base + "/") + trimmed.substr(slash == std::string::npos ? 0 : slash + 1);
}

bool is_dead(int errnum) { return errnum == ENOTCONN || errnum == ECONNABORTED; }

/// stat() alone may be answered from attributes that the kernel still holds; opening asks the daemon.
bool holds_dead_mount(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return is_dead(errno);
  if (!mounted_type(path).starts_with("fuse.imapfs")) return false;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return is_dead(errno);
  ::close(descriptor);
  return false;
}

Result<void> clear_dead_mount(const std::string& path) {
  const auto type = mounted_type(path);
  if (!type.starts_with("fuse.imapfs"))
    return refuse(ENOTCONN, "mountpoint {} holds a dead mount ({}); end it with: fusermount3 -uz {}", path, type, path);
  telemetry::warning("{} holds a dead imapfs mount: unmounting it", path);
  if (!lazy_unmount(path))
    return refuse(ENOTCONN, "mountpoint {} holds a dead mount; end it with: fusermount3 -uz {}", path, path);
  return {};
}

Result<void> check_empty(const std::string& path) {
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
  if (!directory) return refuse(errno, "{}", system_error(errno, "mountpoint " + path).what);
  while (const auto* const entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..")
      return refuse(ENOTEMPTY,
                    "mountpoint {} is not empty; choose another one, or mount over its content with -o nonempty", path);
  }
  return {};
}

Result<void> check_device() {
  const int descriptor = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (descriptor >= 0) {
    ::close(descriptor);
    return {};
  }
  if (errno == EACCES || errno == EPERM)
    return refuse(errno,
                  "no permission to use /dev/fuse; in a container it needs --device /dev/fuse --cap-add SYS_ADMIN");
  return refuse(errno,
                "/dev/fuse is missing: load the kernel module with modprobe fuse (in a container: --device /dev/fuse)");
}

bool other_users_are_permitted() {
  std::ifstream configuration("/etc/fuse.conf");
  for (std::string line; std::getline(configuration, line);) {
    const auto first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    const auto last = line.find_last_not_of(" \t\r");
    if (line.substr(first, last - first + 1) == "user_allow_other") return true;
  }
  return false;
}

Result<void> check_unprivileged(const MountSettings& settings, const std::string& path) {
  if (::geteuid() == 0) return {};
  if (find_fusermount().empty()) return refuse(ENOENT, "fusermount3 is not installed: apt install fuse3");
  if (settings.allow_other && !other_users_are_permitted())
    return refuse(EPERM, "allow_other needs a line user_allow_other in /etc/fuse.conf");
  if (::access(path.c_str(), W_OK) != 0)
    return refuse(EACCES, "no permission to write to mountpoint {}: mount on a directory of your own", path);
  return {};
}

}  // namespace

std::string find_fusermount() {
  for (const auto* path : {"/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"})
    if (::access(path, X_OK) == 0) return path;
  return {};
}

bool lazy_unmount(const std::string& path) {
  if (::geteuid() == 0) return ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
  auto program = find_fusermount();
  if (program.empty()) return false;
  std::string arguments[] = {"fusermount3", "-u", "-q", "-z", "--", path};
  char* vector[] = {arguments[0].data(),
                    arguments[1].data(),
                    arguments[2].data(),
                    arguments[3].data(),
                    arguments[4].data(),
                    arguments[5].data(),
                    nullptr};
  pid_t child = 0;
  if (::posix_spawn(&child, program.c_str(), nullptr, nullptr, vector, environ) != 0) return false;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<std::string> prepare_mountpoint(const MountSettings& settings) {
  if (settings.mountpoint.empty()) return refuse(EINVAL, "no mountpoint is given");
  const auto path = absolute(settings.mountpoint);
  if (holds_dead_mount(path)) IMAPFS_TRY(clear_dead_mount(path));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return refuse(ENOENT, "mountpoint {} does not exist; create it with: mkdir -p {}", path, path);
    return refuse(errno, "{}", system_error(errno, "mountpoint " + path).what);
  }
  if (!S_ISDIR(status.st_mode)) return refuse(ENOTDIR, "mountpoint {} is not a directory", path);
  const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr), &::free);
  const std::string canonical = resolved ? resolved.get() : path;
  if (mounted_type(canonical).starts_with("fuse.imapfs"))
    return refuse(EBUSY, "{} is mounted already; end that mount with: fusermount3 -u {}", canonical, canonical);
  IMAPFS_TRY(check_device());
  IMAPFS_TRY(check_unprivileged(settings, canonical));
  if (!settings.nonempty) IMAPFS_TRY(check_empty(canonical));
  return canonical;
}

}  // namespace imapfs::fuse
