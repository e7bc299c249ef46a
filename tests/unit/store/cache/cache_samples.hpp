#pragma once
// Bodies, keys and a stopped machine for the body cache's tests.

#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "imapfs/store/message_cache.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::store::testing {

inline BodyKey key(std::uint32_t uid) { return BodyKey{"INBOX", UidValidity{7}, Uid{uid}}; }

inline MessageCache::Settings settings_for(const TemporaryDirectory& directory, std::uint64_t limit = 1 << 30) {
  MessageCache::Settings settings;
  settings.directory = directory.path();
  settings.size_limit = limit;
  return settings;
}

inline std::string pattern(std::size_t length, unsigned seed = 1) {
  std::string text(length, '\0');
  for (auto& character : text) character = static_cast<char>((seed = seed * 1103515245 + 12345) >> 16);
  return text;
}

inline std::string read_back(int descriptor, std::uint64_t length, std::uint64_t offset = 0) {
  std::string text(length, '\0');
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), static_cast<off_t>(offset));
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

inline bool store_body(MessageCache& cache, const BodyKey& body_key, const std::string& body) {
  auto writer = cache.create(body_key, body.size());
  if (!writer || !(*writer)->write_at(0, body)) return false;
  (*writer)->commit(body.size());
  return (*writer)->cached();
}

/// What open() serves; "<miss>" where it serves nothing.
inline std::string content(MessageCache& cache, const BodyKey& body_key) {
  const auto file = cache.open(body_key);
  return file ? read_back(file->descriptor(), file->length(), file->offset()) : "<miss>";
}

inline std::vector<std::filesystem::path> files_of(const TemporaryDirectory& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path("bodies"))) {
    if (!entry.is_directory()) files.push_back(entry.path());
  }
  return files;
}

/// The files with octets of packs, oldest first as long as there are fewer than sixteen.
inline std::vector<std::filesystem::path> packs_of(const TemporaryDirectory& directory) {
  std::vector<std::filesystem::path> packs;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path("packs"))) {
    if (entry.path().extension() != ".list") packs.push_back(entry.path());
  }
  std::sort(packs.begin(), packs.end());
  return packs;
}

inline std::filesystem::path list_of(const std::filesystem::path& pack) { return pack.string() + ".list"; }

/// As if the machine had been switched off while the cache was in use.
inline void stop_the_machine(const TemporaryDirectory& directory) {
  write_file(directory.path("in-use"), "00000000-0000-0000-0000-000000000000\n");
}

}  // namespace imapfs::store::testing
