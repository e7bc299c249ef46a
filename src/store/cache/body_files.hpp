#pragma once
// System calls on the cache's files that several parts use. Threads: any.

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "imapfs/base/result.hpp"

namespace imapfs::store {

/// Owns a descriptor and closes it.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~OwnedDescriptor();
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] explicit operator bool() const { return descriptor_ >= 0; }
  int release();

 private:
  int descriptor_;
};

/// CRC-32.
std::uint32_t checksum_of(std::span<const char> bytes);
/// CRC-32 of `length` bytes of a file. EIO if it has fewer.
Result<std::uint32_t> checksum_of(int descriptor, std::uint64_t length, std::uint64_t offset = 0);

/// ENOSPC if the disk is full.
Result<void> write_all(int descriptor, off_t offset, std::span<const char> bytes);
/// Opens a regular file or whatever else is there, without following a link or waiting, and without changing the access
/// time if that is permitted.
OwnedDescriptor open_for_reading(int folder, const std::string& path);
/// Calls `visit` with the name of every directory entry except "." and "..".
void for_each_entry(int directory, const std::function<void(const std::string&)>& visit);

std::int64_t nanoseconds(const timespec& time);
/// Nanoseconds since 1970.
std::int64_t nanoseconds_now();

}  // namespace imapfs::store
