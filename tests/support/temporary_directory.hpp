#pragma once
// A directory of a test's own.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace imapfs::testing {

/// For tests of a unit: one that opens a database a hundred times would otherwise measure the disk.
inline std::filesystem::path in_memory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
}
/// For tests with a server, whose mail may be more than the memory takes.
inline std::filesystem::path on_disk() { return std::filesystem::temp_directory_path(); }

/// Fresh and empty; removed with its content when the object goes. Throws if it cannot be made.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent = in_memory()) {
    std::string pattern = (parent / "imapfs-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp in " + parent.string());
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Of a file in it.
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace imapfs::testing
