#include "app/remembered_compression.hpp"

#include <filesystem>
#include <fstream>

namespace imapfs::app {
namespace {

constexpr const char* compressed = "deflate";
constexpr const char* plain = "plain";

std::string file_in(const std::string& directory) { return directory + "/compression"; }

}  // namespace

std::optional<bool> remembered_compression(const std::string& directory) {
  std::string word;
  std::ifstream(file_in(directory)) >> word;
  if (word == compressed) return true;
  if (word == plain) return false;
  return std::nullopt;
}

void remember_compression(const std::string& directory, bool wanted) {
  const auto path = file_in(directory);
  const auto fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << (wanted ? compressed : plain) << '\n';
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(fresh, path, error);
}

}  // namespace imapfs::app
