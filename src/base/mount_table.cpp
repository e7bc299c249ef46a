#include "imapfs/base/mount_table.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace imapfs {
namespace {

/// "36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/root rw": the third word is the device, the type follows the
/// dash.
bool is_line_of(const std::string& line, const std::string& device, std::string_view type) {
  std::istringstream words(line);
  std::string word;
  for (int number = 1; number <= 3; ++number)
    if (!(words >> word)) return false;
  if (word != device) return false;
  while (words >> word)
    if (word == "-") return words >> word && word == type;
  return false;
}

}  // namespace

MountTable::MountTable(std::string path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {}

MountTable::~MountTable() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// The table is read a page at a time and may change in between. A mount counts as absent only if two readings in a row
// do not show it.
bool MountTable::holds(dev_t device, std::string_view type) const {
  const auto wanted = fmt::format("{}:{}", major(device), minor(device));
  for (int reading = 1; reading <= 2; ++reading) {
    std::ifstream table(path_);
    std::string line;
    bool any = false;
    for (; std::getline(table, line); any = true)
      if (is_line_of(line, wanted, type)) return true;
    if (!any) return true;
  }
  return false;
}

std::uint64_t mount_namespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/mnt", &status) == 0 ? status.st_ino : 0;
}

}  // namespace imapfs
