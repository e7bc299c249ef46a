// A backup of a mailbox is put back into another one, by the tools that people have for it.
#include <algorithm>
#include <tuple>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

/// Puts what is in Old into New.
struct RestoringTool {
  const char* name;
  const char* program;  ///< the test is for who has it
  const char* script;
  bool keeps_flags;  ///< it copies extended attributes
  bool one_upload;   ///< it sets the time before it closes the file, or under a temporary name
};

constexpr RestoringTool restoring_tools[] = {
    {"cp", "cp", "cp -a Old $F/backup && cp -a $F/backup/. New/", true, true},
    {"rsync", "rsync", "rsync -aX Old/ $F/backup/ && rsync -aX $F/backup/ New/", true, true},
    {"tar", "tar",
     "tar --xattrs --xattrs-include='user.imap.*' -cf $F/backup.tar -C Old . &&"
     " tar --xattrs --xattrs-include='user.imap.*' -xf $F/backup.tar -C New",
     true, true},
    {"borg", "borg",
     "export BORG_BASE_DIR=$F/borg BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes;"
     " borg init -e none $F/repo && (cd Old && borg create $F/repo::a .) && (cd New && borg extract $F/repo::a)",
     true, true},
    {"restic", "restic",
     "export RESTIC_PASSWORD=x RESTIC_REPOSITORY=$F/repo; restic --no-cache init > /dev/null &&"
     " (cd Old && restic --no-cache backup . > /dev/null) && restic --no-cache restore latest --target New",
     true, false},
    {"rclone", "rclone", "export RCLONE_CONFIG=$F/none; rclone copy -q Old $F/backup && rclone copy -q $F/backup New",
     false, false},
};

/// What must be the same: flags, date and octets.
using Kept = std::tuple<std::string, std::int64_t, std::string>;

class Restore : public WritingTest {
 protected:
  Mounted::Settings mount_settings() override { return {{"-o", "list-xattrs"}, "", "", ""}; }
  void fill() override {
    other().command("CREATE Old");
    other().command("CREATE New");
    put("Old", "plain");
    put("Old", "seen", "\\Seen", "05-May-2020 10:20:30 +0000");
    put("Old", "flagged", "\\Flagged $Work", "06-May-2020 10:20:30 +0000");
    for (const int megabytes : {1, 3}) {
      std::string text;
      for (int line = 0; text.size() < static_cast<std::size_t>(megabytes) << 20; ++line)
        text += "Line " + std::to_string(line * 7919) + " of a large message that no two of are alike.\n";
      other().append("Old", mail_of("large" + std::to_string(megabytes), text), "\\Answered",
                     "07-May-2020 10:20:30 +0000");
    }
  }
  std::vector<Kept> kept(const std::string& mailbox, bool flags) {
    std::vector<Kept> all;
    for (const auto& message : other().living(mailbox)) {
      std::string shown;
      for (const auto* flag : {"\\Seen", "\\Flagged", "\\Answered", "$Work"})
        if (flags && message.has(flag)) shown += flag;
      all.emplace_back(shown, message.internal_date, message.body);
    }
    std::sort(all.begin(), all.end());
    return all;
  }
};

class RestoredBy : public Restore, public ::testing::WithParamInterface<RestoringTool> {};

INSTANTIATE_TEST_SUITE_P(Tools, RestoredBy, ::testing::ValuesIn(restoring_tools),
                         [](const auto& tool) { return std::string(tool.param.name); });

TEST_P(RestoredBy, BringsBackOctetsDatesAndFlags) {
  const auto& tool = GetParam();
  ASSERT_EQ(script(std::string("command -v ") + tool.program).status, 0) << "there is no " << tool.program;
  sh(tool.script, 120);
  sync();
  EXPECT_EQ(kept("New", tool.keeps_flags), kept("Old", tool.keeps_flags));
  EXPECT_EQ(mount().list("New"), mount().list("Old"));
  if (tool.one_upload) {
    EXPECT_EQ(other().ever("New"), 5u) << "one upload per file";
  }
  EXPECT_EQ(other().messages("New", false).size(), 5u) << "a first upload with another date is gone for good";
}

TEST_F(Restore, OfPartsInAnyOrderWithHolesAndClosesInBetweenIsOneUploadEach) {
  sh("python3 - <<'END'\n"
     "import os\n"
     "for name in os.listdir('Old'):\n"
     "  data = open('Old/' + name, 'rb').read()\n"
     "  parts = [(i, data[i:i + 100000]) for i in range(0, len(data), 100000)]\n"
     "  os.close(os.open('New/' + name, os.O_CREAT | os.O_WRONLY))\n"
     "  for place, part in reversed(parts):\n"
     "    f = os.open('New/' + name, os.O_WRONLY)\n"
     "    os.pwrite(f, part, place)\n"
     "    os.close(f)\n"
     "END");
  sync();
  auto old_bodies = bodies("Old");
  auto new_bodies = bodies("New");
  std::sort(old_bodies.begin(), old_bodies.end());
  std::sort(new_bodies.begin(), new_bodies.end());
  EXPECT_EQ(new_bodies, old_bodies);
  EXPECT_EQ(other().ever("New"), 5u);
}

TEST_F(Restore, MvAndCpPassOverAttributesThatTheServerCannotKeep) {
  file("foreign.eml", text_of("foreign"));
  sh("setfattr -n user.comment -v x $F/foreign.eml && cp -a $F/foreign.eml New/cp.eml && mv $F/foreign.eml New/mv.eml");
  EXPECT_EQ(count("New", "foreign"), 2u);
}

}  // namespace
}  // namespace imapfs::testing
