// The account's directory below the cache root or state root: creates it private, checks it, locks it.
#include "store/account_directory.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/model/identity.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::store {
namespace {

constexpr int last_sibling = 9;
constexpr std::size_t longest_component = 150;

struct Descriptor {
  int number = -1;
  explicit Descriptor(int descriptor) : number(descriptor) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

/// One path component per account, different for different accounts: characters that are not plainly safe become %XX.
/// "@2" … "@9" at the end mark siblings, so an account that ends like that has its '@' escaped.
std::string component_for(const std::string& account) {
  std::string component;
  for (std::size_t position = 0; position < account.size(); ++position) {
    const char character = account[position];
    const bool alphanumeric = (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
                              (character >= 'A' && character <= 'Z');
    const bool looks_like_sibling = character == '@' && position + 2 == account.size() && account.back() >= '2' &&
                                    account.back() <= '9';
    const bool plain = alphanumeric || character == '_' || character == '-' || character == '+' ||
                       (character == '@' && !looks_like_sibling) || (character == '.' && position > 0);
    if (plain) {
      component += character;
    } else {
      component += fmt::format("%{:02X}", static_cast<unsigned char>(character));
    }
  }
  if (component.empty()) return "%";
  if (component.size() > longest_component) {
    component.resize(longest_component);
    component += fmt::format("%{:016x}", stable_hash(account));
  }
  return component;
}

/// mkdir -p; new directories get mode 0700.
Result<void> make_directories(const std::string& path, std::string_view kind) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      const int errnum = errno;
      struct stat status {};
      // A read-only or foreign parent does no harm if the directory exists.
      if (::stat(part.c_str(), &status) != 0) {
        return fail(system_error(errnum, fmt::format("create {} directory {}", kind, telemetry::printable(part))));
      }
    }
    if (end == std::string::npos) return {};
  }
}

/// If others can rename entries of the root, they can replace the account's directory. A sticky directory (/tmp) is
/// fine: there the check of the account's own directory is enough.
Result<void> check_root(int descriptor, const std::string& path, std::string_view kind) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return fail(system_error(errno, telemetry::printable(path)));
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    return fail(EACCES, "{} directory {} belongs to another user", kind, telemetry::printable(path));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0) {
    return fail(EACCES, "{} directory {} is writable by others (mode {:04o}): use chmod 700", kind,
                telemetry::printable(path), status.st_mode & 07777);
  }
  return {};
}

Result<void> check_account_directory(int descriptor, const std::string& path, std::string_view kind) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return fail(system_error(errno, telemetry::printable(path)));
  if (status.st_uid != ::geteuid()) {
    return fail(EACCES, "{} directory {} belongs to another user", kind, telemetry::printable(path));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(EACCES, "{} directory {} is writable by others (mode {:04o}): remove it or use chmod 700", kind,
                telemetry::printable(path), status.st_mode & 07777);
  }
  if ((status.st_mode & 077) != 0 && ::fchmod(descriptor, 0700) != 0) {
    return fail(system_error(errno, fmt::format("make {} private", telemetry::printable(path))));
  }
  return {};
}

/// Opens and locks one candidate. EWOULDBLOCK if another mount uses it.
Result<AccountDirectory> lock_candidate(int root, const std::string& root_path, const std::string& component,
                                        std::string_view kind) {
  AccountDirectory directory;
  directory.path = fmt::format("{}/{}", root_path == "/" ? "" : root_path, component);
  const std::string shown = telemetry::printable(directory.path);
  if (::mkdirat(root, component.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(system_error(errno, fmt::format("create {} directory {}", kind, shown)));
  }
  Descriptor opened(::openat(root, component.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (opened.number < 0) {
    const int errnum = errno;
    if (errnum == ELOOP || errnum == ENOTDIR) return fail(EACCES, "{} directory {} is not a directory", kind, shown);
    return fail(system_error(errnum, fmt::format("open {} directory {}", kind, shown)));
  }
  auto safe = check_account_directory(opened.number, directory.path, kind);
  if (!safe) return fail(std::move(safe).error());
  directory.lock_descriptor = ::openat(opened.number, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                                       0600);
  if (directory.lock_descriptor < 0) return fail(system_error(errno, fmt::format("open {}/lock", shown)));
  if (::flock(directory.lock_descriptor, LOCK_EX | LOCK_NB) != 0) {
    return fail(system_error(errno, fmt::format("lock {}/lock", shown)));
  }
  // Removes the note of a process that has ended.
  [[maybe_unused]] const int emptied = ::ftruncate(directory.lock_descriptor, 0);
  return directory;
}

std::string home_directory() {
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return home;
  // mount -a at boot runs without HOME.
  std::vector<char> buffer(16384);
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      found->pw_dir != nullptr && found->pw_dir[0] == '/') {
    return found->pw_dir;
  }
  return {};
}

/// "imapfs" below the value of `variable`, else below `fallback` in the home directory; empty if neither is known.
std::string default_root(const char* variable, std::string_view fallback) {
  const char* value = std::getenv(variable);
  // The XDG specification says to ignore relative paths.
  if (value != nullptr && value[0] == '/') return std::string(value) + "/imapfs";
  const std::string home = home_directory();
  return home.empty() ? std::string() : fmt::format("{}/{}/imapfs", home, fallback);
}

}  // namespace

AccountDirectory::AccountDirectory(AccountDirectory&& other) noexcept
    : path(std::move(other.path)), lock_descriptor(std::exchange(other.lock_descriptor, -1)),
      private_copy(other.private_copy) {}

AccountDirectory& AccountDirectory::operator=(AccountDirectory&& other) noexcept {
  if (this != &other) {
    if (lock_descriptor >= 0) ::close(lock_descriptor);
    path = std::move(other.path);
    lock_descriptor = std::exchange(other.lock_descriptor, -1);
    private_copy = other.private_copy;
  }
  return *this;
}

// No LOCK_UN before the close: the lock belongs to the open file, which the parent of a fork shares with the daemon.
AccountDirectory::~AccountDirectory() {
  if (lock_descriptor >= 0) ::close(lock_descriptor);
}

Result<AccountDirectory> open_account_directory(const std::string& root_directory, const std::string& account,
                                                std::string_view kind, const LockWait& wait) {
  std::string root_path = root_directory;
  while (root_path.size() > 1 && root_path.back() == '/') root_path.pop_back();
  if (root_path.empty() || root_path.find('\0') != std::string::npos)
    return fail(EINVAL, "no usable {} directory", kind);
  auto made = make_directories(root_path, kind);
  if (!made) return fail(std::move(made).error());
  Descriptor root(::open(root_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.number < 0)
    return fail(system_error(errno, fmt::format("open {} directory {}", kind, telemetry::printable(root_path))));
  auto safe = check_root(root.number, root_path, kind);
  if (!safe) return fail(std::move(safe).error());

  const std::string component = component_for(account);
  auto directory = lock_candidate(root.number, root_path, component, kind);
  if (!directory && directory.error().errnum == EWOULDBLOCK) {
    await_lock(fmt::format("{}/{}", root_path == "/" ? "" : root_path, component), wait, [&] {
      directory = lock_candidate(root.number, root_path, component, kind);
      return directory.has_value() || directory.error().errnum != EWOULDBLOCK;
    });
    if (wait.stop.stop_requested()) return fail(EINTR, "ended while waiting for another mount to end");
  }
  for (int sibling = 2; !directory && directory.error().errnum == EWOULDBLOCK && sibling <= last_sibling; ++sibling) {
    directory = lock_candidate(root.number, root_path, fmt::format("{}@{}", component, sibling), kind);
    if (directory) directory->private_copy = true;
  }
  if (!directory && directory.error().errnum == EWOULDBLOCK) {
    return fail(EBUSY, "{} directory {}/{} and its siblings are all in use by other mounts", kind,
                telemetry::printable(root_path), component);
  }
  return directory;
}

std::vector<AccountDirectory> lock_idle_siblings(const AccountDirectory& directory, std::string_view kind) {
  std::vector<AccountDirectory> idle;
  const auto slash = directory.path.rfind('/');
  const std::string root_path = slash == 0 ? "/" : directory.path.substr(0, slash);
  Descriptor root(::open(root_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.number < 0) return idle;
  for (int sibling = 2; sibling <= last_sibling; ++sibling) {
    const std::string component = fmt::format("{}@{}", directory.path.substr(slash + 1), sibling);
    struct stat status {};
    if (::fstatat(root.number, component.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    auto locked = lock_candidate(root.number, root_path, component, kind);
    if (locked) idle.push_back(std::move(*locked));
  }
  return idle;
}

Result<AccountDirectory> open_account_directory(const std::string& cache_root, const std::string& account) {
  return open_account_directory(cache_root, account, "cache", {});
}

Result<AccountDirectory> open_cache_directory(const std::string& cache_root, const std::string& account,
                                              const LockWait& wait) {
  return open_account_directory(cache_root, account, "cache", wait);
}

// component_for() escapes the '@' of an account that ends like a sibling.
std::string original_of(const std::string& directory) {
  if (directory.size() < 3 || directory[directory.size() - 2] != '@') return {};
  return directory.back() >= '2' && directory.back() <= '9' ? directory.substr(0, directory.size() - 2) : std::string();
}

std::string default_cache_root() { return default_root("XDG_CACHE_HOME", ".cache"); }
std::string default_state_root() { return default_root("XDG_STATE_HOME", ".local/state"); }

}  // namespace imapfs::store
