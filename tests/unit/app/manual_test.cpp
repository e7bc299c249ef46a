// The manual pages against the source code: what they name exists, and what exists is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "app/options.hpp"
#include "imapfs/imap/server_traits.hpp"

namespace imapfs::app {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

std::string source(const std::string& path) { return content(fs::path(IMAPFS_SOURCE_DIR) / path); }

/// Every source of a layer, one after the other: where in it something stands is no matter here.
std::string sources_of(const std::string& layer) {
  std::string text;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(IMAPFS_SOURCE_DIR) / "src" / layer))
    if (entry.path().extension() == ".cpp") text += content(entry.path());
  return text;
}

/// A page with roff's escaped hyphens as plain ones.
std::string page(const std::string& name) {
  return std::regex_replace(source("man/" + name), std::regex(R"(\\-)"), "-");
}

/// The first group of every match.
std::set<std::string> all_matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

/// "Suite.Test" of every test in a folder of tests/.
std::set<std::string> tests_below(const std::string& folder) {
  static const std::regex pattern(R"(\bTEST(?:_F|_P)?\(\s*([A-Za-z0-9]+)\s*,\s*([A-Za-z0-9]+)\s*\))");
  std::set<std::string> tests;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(IMAPFS_SOURCE_DIR) / "tests" / folder)) {
    if (!entry.path().string().ends_with("_test.cpp")) continue;
    const std::string text = content(entry.path());
    for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
      tests.insert((*match)[1].str() + "." + (*match)[2].str());
  }
  return tests;
}

/// The lines of each ".SH" section, by its title.
std::map<std::string, std::string> sections_of(const std::string& text) {
  std::map<std::string, std::string> sections;
  std::string title;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(".SH ")) title = line.substr(4);
    sections[title] += line + "\n";
  }
  return sections;
}

/// Words of the lines that are printed bold, as every name to be typed is.
std::set<std::string> bold_words(const std::string& text) {
  std::set<std::string> words;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(".B")) continue;
    for (std::string word : all_matches(line, R"(([A-Za-z0-9_-]+))")) {
      word.erase(0, std::min(word.find_first_not_of('-'), word.size()));
      words.insert(word);
    }
  }
  return words;
}

constexpr const char* reference_pattern = R"(\[(e2e|unit|protocol|integration): ([A-Za-z0-9]+\.[A-Za-z0-9]+)\])";

TEST(Manual, EveryTestThatAPromiseRefersToExists) {
  std::map<std::string, std::set<std::string>> tests;
  for (const std::string folder : {"e2e", "unit", "protocol", "integration"}) tests[folder] = tests_below(folder);
  const std::string text = page("imapfs.7");
  const std::regex pattern(reference_pattern);
  std::size_t references = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match, ++references)
    EXPECT_TRUE(tests[(*match)[1]].contains((*match)[2])) << "man/imapfs.7 refers to " << match->str();
  EXPECT_GT(references, 100u);
}

TEST(Manual, ALineThatBeginsLikeAReferenceIsOne) {
  std::istringstream lines(page("imapfs.7"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('[')) continue;
    EXPECT_TRUE(std::regex_match(line, std::regex(reference_pattern))) << line;
  }
}

TEST(Manual, EverySectionOfPromisesRefersToTests) {
  auto sections = sections_of(page("imapfs.7"));
  for (const std::string title : {"DESCRIPTION", "THE TREE", "NAMES", "ATTRIBUTES", "READING", "FRESHNESS", "WRITING",
                                  "DELETING", "MOVING AND COPYING", "MAILBOXES", "FLAGS", "RIGHTS", "DURABILITY",
                                  "OFFLINE", "THE CACHE", "THE CONTROL DIRECTORY", "ERRORS", "QUIRKS"})
    EXPECT_TRUE(std::regex_search(sections[title], std::regex(reference_pattern))) << title;
}

TEST(Manual, EveryQuirkIsExplainedInAParagraphOfItsOwn) {
  const std::string quirks = sections_of(page("imapfs.7"))["QUIRKS"];
  for (int number = 0; number < imap::quirk_count; ++number) {
    const std::string name(imap::to_string(static_cast<imap::Quirk>(number)));
    EXPECT_NE(quirks.find(".TP\n.B " + name + "\n"), std::string::npos) << name;
  }
}

/// The errors that a caller can see; what the table of answers adds to them is there too.
TEST(Manual, EveryErrorOfTheContractHasAParagraphWithATest) {
  const std::string errors = sections_of(page("imapfs.7"))["ERRORS"];
  for (const std::string name :
       {"ENOENT", "EEXIST", "EACCES", "EROFS", "EDQUOT", "EAGAIN", "EBUSY", "ESTALE", "EPERM", "EFBIG", "ETIMEDOUT",
        "EHOSTUNREACH", "EIO", "EINVAL", "ENOSPC", "ENOTEMPTY", "EOPNOTSUPP"}) {
    const auto at = errors.find(".TP\n.B " + name + "\n");
    ASSERT_NE(at, std::string::npos) << name;
    const std::string paragraph = errors.substr(at + 1, errors.find("\n.TP", at) - at);
    EXPECT_TRUE(std::regex_search(paragraph, std::regex(reference_pattern))) << name;
  }
}

TEST(Manual, EveryRemovalPolicyIsExplained) {
  const std::string deleting = sections_of(page("imapfs.7"))["DELETING"];
  for (const std::string policy : {"flag", "trash", "expunge", "auto"})
    EXPECT_NE(deleting.find(".TP\n.B " + policy + "\n"), std::string::npos) << policy;
}

TEST(Manual, EveryExtendedAttributeIsNamed) {
  const std::string pattern = R"(\b(user\.imap\.[a-z-]*[a-z]))";
  const auto documented = all_matches(page("imapfs.7"), pattern);
  const auto existing = all_matches(sources_of("vfs"), pattern);
  EXPECT_GT(existing.size(), 10u);
  EXPECT_EQ(documented, existing);
}

TEST(Manual, EveryControlFileIsNamed) {
  const std::string text = sections_of(page("imapfs.7"))["THE CONTROL DIRECTORY"];
  const auto files = all_matches(sources_of("vfs"), R"rx(\{FixedNode::[a-z]+, "([a-z]+)"\})rx");
  EXPECT_GE(files.size(), 4u);
  for (const auto& name : files) EXPECT_NE(text.find(".TP\n.I " + name + "\n"), std::string::npos) << name;
}

TEST(Manual, EveryMemberOfTheStatusIsNamed) {
  const auto words = bold_words(sections_of(page("imapfs.7"))["THE CONTROL DIRECTORY"]);
  const auto members = all_matches(sources_of("sync") + sources_of("vfs"), R"rx(result\["([a-z_]+)"\])rx");
  EXPECT_GE(members.size(), 10u);
  for (const auto& name : members) EXPECT_TRUE(words.contains(name)) << name;
}

TEST(Manual, EveryEventIsNamed) {
  const auto words = bold_words(sections_of(page("imapfs.7"))["THE CONTROL DIRECTORY"]);
  auto events = all_matches(sources_of("vfs"),
                            R"rx((?:mailbox_event\(|log_(?:entries|uids)\(change, |\{\{"event", )"([a-z-]+)")rx");
  events.insert({"online", "offline"});
  EXPECT_GE(events.size(), 10u);
  for (const auto& name : events) EXPECT_TRUE(words.contains(name)) << name;
}

TEST(Manual, EveryOptionIsNamedAsOne) {
  const auto words = bold_words(page("imapfs.1"));
  EXPECT_GT(option_table().size(), 40u);
  for (const auto& option : option_table()) EXPECT_TRUE(words.contains(std::string(option.name))) << option.name;
}

TEST(Manual, EveryPlaceholderOfANameIsExplained) {
  const std::string names = sections_of(page("imapfs.7"))["NAMES"];
  for (const std::string placeholder : {"{uid}", "{date}", "{from}", "{to}", "{subject}", "{message-id}"})
    EXPECT_NE(names.find(placeholder), std::string::npos) << placeholder;
  EXPECT_NE(names.find(mime::NameTemplate::default_text), std::string::npos);
}

TEST(Manual, TheDefaultsAreThoseOfTheProgram) {
  const std::string text = page("imapfs.1");
  const Options defaults = parse_options({"imaps://anna@mail.example.org", "/mnt"}).value();
  const auto says = [&](const std::string& option, const std::string& value) {
    const auto at = text.find(".BI " + option + "= ");
    ASSERT_NE(at, std::string::npos) << option;
    const std::string paragraph = text.substr(at, text.find("\n.TP", at) - at);
    EXPECT_TRUE(std::regex_search(paragraph, std::regex("default " + value + R"(\b)"))) << option << " " << value;
  };
  says("timeout", std::to_string(defaults.timeout.count()));
  says("refresh", std::to_string(defaults.refresh.count()));
  says("connections", std::to_string(defaults.connections));
  says("idle", std::to_string(defaults.idle.count()));
  says("poll", std::to_string(defaults.poll.count()));
  EXPECT_EQ(defaults.cache_size, 1ULL << 30);
  says("cache-size", "1G");
  EXPECT_EQ(defaults.staging_size, 2ULL << 30);
  says("staging-size", "2G");
}

}  // namespace
}  // namespace imapfs::app
