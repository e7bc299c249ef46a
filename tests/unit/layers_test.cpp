// The architecture as a test: a layer includes only layers to its right, and each third-party library stays in its layer.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;
const fs::path root = IMAPFS_SOURCE_DIR;

/// What each layer may include, besides itself (src/README.md).
const std::map<std::string, std::set<std::string>> allowed_layers = {
    {"base", {}},
    {"model", {"base"}},
    {"mime", {"base", "model"}},
    {"net", {"base"}},
    {"store", {"base", "model", "mime"}},
    {"imap", {"base", "model", "mime", "net"}},
    {"sync", {"base", "model", "mime", "net", "imap", "store"}},
    {"vfs", {"base", "model", "mime", "store", "sync"}},
    {"fuse", {"base", "model", "vfs"}},
    {"app", {"base", "model", "mime", "net", "imap", "store", "sync", "vfs", "fuse"}},
};

/// Third-party headers that may appear in one layer only.
const std::map<std::string, std::string> library_layer = {
    {"libetpan/", "imap"},    {"sasl/", "imap"},        {"openssl/", "net"},
    {"SQLiteCpp/", "store"},  {"sqlite3", "store"},     {"fuse", "fuse"},
    {"gmime/", "mime"},       {"glib", "mime"},         {"uchardet", "mime"},
    {"CLI/", "app"},          {"toml++/", "app"},       {"spdlog/", "base"},
    {"systemd/", "base,app"}, {"zlib.h", "imap,store"}, {"nlohmann/", "sync,vfs,fuse,app"},
};

struct Include {
  fs::path file;
  std::string layer;
  std::string target;
  bool own;
};

std::vector<Include> all_includes() {
  std::vector<Include> includes;
  const std::regex pattern(R"(^\s*#\s*include\s+([<"])([^>"]+)[>"])");
  for (const auto& [folder, depth] : {std::pair{root / "include/imapfs", 0}, std::pair{root / "src", 0}}) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".hpp" && entry.path().extension() != ".cpp") continue;
      const std::string layer = fs::relative(entry.path(), folder).begin()->string();
      std::ifstream stream(entry.path());
      for (std::string line; std::getline(stream, line);) {
        std::smatch match;
        if (std::regex_search(line, match, pattern)) includes.push_back({entry.path(), layer, match[2], match[1] == "\""});
      }
    }
  }
  return includes;
}

TEST(Layers, EveryLayerIncludesOnlyLayersBelowIt) {
  std::size_t checked = 0;
  for (const auto& include : all_includes()) {
    if (!include.target.starts_with("imapfs/")) continue;
    const std::string rest = include.target.substr(7);
    const std::string target_layer = rest.substr(0, rest.find('/'));
    ASSERT_TRUE(allowed_layers.contains(include.layer)) << include.file << " is in no layer";
    ++checked;
    if (target_layer == include.layer) continue;
    EXPECT_TRUE(allowed_layers.at(include.layer).contains(target_layer))
        << include.file << " (" << include.layer << ") includes " << include.target;
  }
  EXPECT_GT(checked, 10u);
}

TEST(Layers, EveryThirdPartyLibraryStaysInItsLayer) {
  for (const auto& include : all_includes()) {
    if (include.own) continue;
    for (const auto& [prefix, layers] : library_layer) {
      if (!include.target.starts_with(prefix)) continue;
      EXPECT_NE(layers.find(include.layer), std::string::npos)
          << include.file << " includes <" << include.target << ">, which belongs to " << layers;
    }
  }
}

}  // namespace
