// The architecture as a test: a layer includes only layers below it, a folder of sync and vfs only folders below it,
// and each third-party library stays in its layer.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

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
    {"vfs", {"base", "model", "mime", "sync"}},
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

/// The folders inside a layer, lowest first; those of one row do not know each other. "" is what lies in none.
const std::map<std::string, std::vector<std::set<std::string>>> folder_order = {
    {"sync", {{"mailbox"}, {"bodies", "changes"}, {"tree"}, {""}}},
    {"vfs", {{"nodes"}, {"news"}, {"staging"}, {"views"}, {"operations"}}},
};
/// Files that lie in no folder and are below all of them.
const std::map<std::string, std::set<std::string>> foundations = {
    {"sync", {"store_writer", "helper_thread", "server"}}};

struct Include {
  fs::path file;
  std::string layer;
  std::string target;
  bool own;
};

std::string layer_of(const std::string& target) {
  const std::string rest = target.starts_with("imapfs/") ? target.substr(7) : target;
  return rest.substr(0, rest.find('/'));
}

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
        if (std::regex_search(line, match, pattern))
          includes.push_back({entry.path(), layer, match[2], match[1] == "\""});
      }
    }
  }
  return includes;
}

TEST(Layers, EveryLayerIncludesOnlyLayersBelowIt) {
  std::size_t checked = 0;
  for (const auto& include : all_includes()) {
    if (!include.own) continue;
    const std::string target_layer = layer_of(include.target);
    ASSERT_TRUE(allowed_layers.contains(include.layer)) << include.file << " is in no layer";
    ++checked;
    if (target_layer == include.layer) continue;
    EXPECT_TRUE(include.target.starts_with("imapfs/"))
        << include.file << " includes " << include.target << ", a header of another layer's own";
    EXPECT_TRUE(allowed_layers.at(include.layer).contains(target_layer))
        << include.file << " (" << include.layer << ") includes " << include.target;
  }
  EXPECT_GT(checked, 10u);
}

/// Where the implementation of `stem` lies: the folder of a public header too. None: it has no implementation.
std::optional<std::string> folder_of(const std::string& layer, const std::string& stem) {
  for (const auto& entry : fs::recursive_directory_iterator(root / "src" / layer)) {
    if (entry.path().filename() == stem + ".cpp") {
      const std::string folder = fs::relative(entry.path().parent_path(), root / "src" / layer).string();
      return folder == "." ? "" : folder;
    }
  }
  return std::nullopt;
}

/// As folder_of(), and where a header without an implementation lies; none for a public one.
std::optional<std::string> place_of(const std::string& layer, const fs::path& header_or_source) {
  const auto folder = folder_of(layer, header_or_source.stem().string());
  if (folder || header_or_source.string().find("imapfs/" + layer) != std::string::npos) return folder;
  const std::string own = fs::relative(header_or_source.parent_path(), root / "src" / layer).string();
  return own == "." ? "" : own;
}

/// Its place in folder_order; none: it is below all folders.
std::optional<std::size_t> height_of(const std::string& layer, const fs::path& header_or_source) {
  const std::string stem = header_or_source.stem().string();
  const auto low = foundations.find(layer);
  if (low != foundations.end() && low->second.contains(stem)) return std::nullopt;
  const auto folder = place_of(layer, header_or_source);
  if (!folder) return std::nullopt;
  const auto& rows = folder_order.at(layer);
  for (std::size_t height = 0; height < rows.size(); ++height) {
    if (rows[height].contains(*folder)) return height;
  }
  ADD_FAILURE() << header_or_source << " is in a folder that folder_order does not name";
  return std::nullopt;
}

TEST(Layers, EveryFolderOfSyncAndVfsIncludesOnlyFoldersBelowIt) {
  for (const auto& include : all_includes()) {
    if (!include.own || !folder_order.contains(include.layer) || layer_of(include.target) != include.layer) continue;
    const bool is_public = include.target.starts_with("imapfs/");
    const fs::path target = is_public ? root / "include" / include.target : root / "src" / include.target;
    const auto from = height_of(include.layer, include.file);
    const auto to = height_of(include.layer, target);
    if (!to) continue;
    const bool same_folder = place_of(include.layer, include.file) == place_of(include.layer, target);
    EXPECT_TRUE(!from || *from > *to || same_folder) << include.file << " includes " << include.target;
  }
}

TEST(Layers, APublicHeaderIsIncludedByAnotherLayer) {
  std::set<std::string> used;
  const auto includes = all_includes();
  for (const auto& include : includes) {
    if (include.own && layer_of(include.target) != include.layer) used.insert(include.target);
  }
  for (std::size_t before = 0; before != used.size();) {
    before = used.size();
    for (const auto& include : includes) {
      const std::string header = fs::relative(include.file, root / "include").string();
      if (include.own && used.contains(header)) used.insert(include.target);
    }
  }
  for (const auto& entry : fs::recursive_directory_iterator(root / "include")) {
    if (!entry.is_regular_file()) continue;
    const std::string header = fs::relative(entry.path(), root / "include").string();
    EXPECT_TRUE(used.contains(header)) << header << " belongs beside its implementation";
  }
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
