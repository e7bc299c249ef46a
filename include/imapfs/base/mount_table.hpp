#pragma once
// The kernel's table of the mounts in this process's mount namespace.
//
// Errors: if the table cannot be read, everything counts as mounted, so that a missing procfs ends no daemon. Threads:
// any.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace imapfs {

class MountTable {
 public:
  explicit MountTable(std::string path = "/proc/self/mountinfo");
  ~MountTable();
  MountTable(const MountTable&) = delete;
  MountTable& operator=(const MountTable&) = delete;

  /// Polling it reports POLLPRI when the table has changed since the last poll or since the construction. -1: never.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// Whether a file system of this type with this device number is mounted anywhere; bind mounts count.
  [[nodiscard]] bool holds(dev_t device, std::string_view type) const;

 private:
  const std::string path_;
  const int descriptor_;
};

/// The number of this process's mount namespace; 0 if it is not known.
std::uint64_t mount_namespace();

}  // namespace imapfs
