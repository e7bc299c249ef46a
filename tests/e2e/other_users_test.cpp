// allow_other: who else is let in, and as far as the modes allow.
#include <sys/stat.h>
#include <unistd.h>

#include "support/parameter_names.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class OtherUsers : public WritingTest, public ::testing::WithParamInterface<std::string> {
 protected:
  static constexpr const char* group = "54321";
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    WritingTest::SetUp();
  }
  Mounted::Settings mount_settings() override { return {{"-o", GetParam()}, "", "", ""}; }
  void fill() override { dovecot().deliver("INBOX", sample_message("shared")); }
  /// The script's status as user 54322 in this group, and its standard error.
  CommandResult as_other(const std::string& gid, const std::string& text) {
    const auto& root = mount().path();
    // The folder that mkdtemp made is private.
    ::chmod(root.substr(0, root.rfind('/')).c_str(), 0755);
    return shell("cd / && setpriv --reuid=54322 --regid=" + gid + " --clear-groups bash -c " +
                 shell_quote("cd " + shell_quote(root) + " && " + text));
  }
};

class Everybody : public OtherUsers {};
class OneGroup : public OtherUsers {};
class NobodyElse : public OtherUsers {};

TEST_P(Everybody, MayReadWithAUmaskThatLetsThem) {
  EXPECT_EQ(as_other("54322", "ls -l INBOX | grep -q shared && cat INBOX/*shared* .imapfs/status > /dev/null").status,
            0);
  EXPECT_EQ(run("stat -c %a INBOX INBOX/*shared*"), "755\n644\n");
  const auto removal = as_other("54322", "rm -f INBOX/*shared*");
  EXPECT_NE(removal.errors.find("Permission denied"), std::string::npos) << removal.errors;
  EXPECT_NE(as_other("54322", "echo > INBOX/new.eml").status, 0);
}
INSTANTIATE_TEST_SUITE_P(Umask, Everybody, ::testing::Values("allow_other,umask=022"), names_in_order({"Umask022"}));

TEST_P(OneGroup, IsLetInWithGidAndUmask) {
  EXPECT_EQ(run("stat -c '%a %g' INBOX INBOX/*shared*"), "750 54321\n640 54321\n");
  EXPECT_EQ(as_other(group, "cat INBOX/*shared* > /dev/null").status, 0);
  EXPECT_NE(as_other("54322", "cat INBOX/*shared* > /dev/null").status, 0);
}
INSTANTIATE_TEST_SUITE_P(Gid, OneGroup, ::testing::Values("allow_other,gid=54321,umask=027"),
                         names_in_order({"Umask027"}));

TEST_P(NobodyElse, IsLetInUnlessTheUserSaysSo) { EXPECT_NE(as_other("54322", "ls INBOX > /dev/null").status, 0); }
INSTANTIATE_TEST_SUITE_P(Options, NobodyElse, ::testing::Values("umask=022", "allow_other,umask=077"),
                         names_in_order({"WithoutAllowOther", "WithUmask077"}));

}  // namespace
}  // namespace imapfs::testing
