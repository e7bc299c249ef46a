#include "imapfs/base/telemetry.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "support/temporary_directory.hpp"

namespace imapfs::telemetry {
namespace {

TEST(Telemetry, LoginArgumentsAreRedacted) { EXPECT_EQ(redact("a1 LOGIN anna \"geheim\"\r\n"), "a1 LOGIN <redacted>"); }

TEST(Telemetry, LoginIsRecognisedInAnyCase) { EXPECT_EQ(redact("7 login {4}"), "7 LOGIN <redacted>"); }

TEST(Telemetry, TheInitialResponseOfAuthenticateIsRedacted) {
  EXPECT_EQ(redact("a1 AUTHENTICATE PLAIN AGFubmEAZ2VoZWlt"), "a1 AUTHENTICATE PLAIN <redacted>");
}

TEST(Telemetry, ABareContinuationIsRedacted) { EXPECT_EQ(redact("AGFubmEAZ2VoZWlt\r\n"), "<redacted>"); }

TEST(Telemetry, OtherCommandsAreShown) { EXPECT_EQ(redact("a2 SELECT INBOX\r\n"), "a2 SELECT INBOX"); }

TEST(Telemetry, ControlCharactersCannotReachATerminal) {
  EXPECT_EQ(printable("a\x1b[31m\r\n\x7f\\"), "a\\x1b[31m\\x0d\\x0a\\x7f\\x5c");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "C1 control";
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "right-to-left override";
}

TEST(Telemetry, InvalidUtf8IsEscapedAndValidUtf8IsKept) {
  EXPECT_EQ(printable("M\xc3\xbcller"), "Müller");
  EXPECT_EQ(printable("M\xfcller"), "M\\xfcller");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
}

TEST(Telemetry, LongTextIsCut) { EXPECT_EQ(printable("abcdefgh", 4), "abcd…"); }

TEST(Telemetry, UnknownLevelsAndCategoriesAreRefusedByName) {
  EXPECT_NE(parse_level("loud").error().what.find("\"loud\""), std::string::npos);
  EXPECT_NE(parse_categories("imap,smtp").error().what.find("\"smtp\""), std::string::npos);
}

TEST(Telemetry, CategoriesAreParsedOneByOne) {
  const auto categories = parse_categories("imap,store").value();
  EXPECT_FALSE(categories[static_cast<std::size_t>(Category::fuse)]);
  EXPECT_TRUE(categories[static_cast<std::size_t>(Category::imap)]);
  EXPECT_TRUE(categories[static_cast<std::size_t>(Category::store)]);
}

class LogFile : public ::testing::Test {
 protected:
  ~LogFile() override { (void)configure({}); }
  std::string path() const { return directory_.path("log"); }
  std::string content() const {
    flush();
    std::ostringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }
  const imapfs::testing::TemporaryDirectory directory_;
};

TEST_F(LogFile, IsReadableByItsOwnerOnly) {
  LogSettings settings;
  settings.destination = Destination::file;
  settings.file = path();
  ASSERT_TRUE(configure(settings));
  struct stat status {};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(LogFile, HoldsLinesFromItsLevelUp) {
  LogSettings settings;
  settings.level = Level::warning;
  settings.destination = Destination::file;
  settings.file = path();
  ASSERT_TRUE(configure(settings));
  info("quiet");
  warning("loud {}", 1);
  EXPECT_EQ(content().find("quiet"), std::string::npos);
  EXPECT_NE(content().find("loud 1"), std::string::npos);
}

TEST_F(LogFile, HoldsOnlyTheCategoriesThatAreTraced) {
  LogSettings settings;
  settings.destination = Destination::file;
  settings.file = path();
  settings.traced = parse_categories("imap").value();
  ASSERT_TRUE(configure(settings));
  trace(Category::imap, "a1 NOOP");
  trace(Category::fuse, "LOOKUP");
  EXPECT_NE(content().find("imap: a1 NOOP"), std::string::npos);
  EXPECT_EQ(content().find("LOOKUP"), std::string::npos);
}

TEST_F(LogFile, ThatCannotBeOpenedIsAnErrorWithItsPath) {
  LogSettings settings;
  settings.destination = Destination::file;
  settings.file = directory_.path("missing/log");
  const auto result = configure(settings);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, ENOENT);
  EXPECT_NE(result.error().what.find("/missing/log"), std::string::npos);
}

TEST(Telemetry, TheLastErrorsAreRemembered) {
  LogSettings silent;
  silent.level = Level::off;
  ASSERT_TRUE(configure(silent));
  for (int number = 0; number < 30; ++number) write(Level::error, fmt::format("failure {}", number));
  const auto errors = recent_errors();
  EXPECT_EQ(errors.size(), 20u);
  EXPECT_EQ(errors.back().second, "failure 29");
  (void)configure({});
}

}  // namespace
}  // namespace imapfs::telemetry
