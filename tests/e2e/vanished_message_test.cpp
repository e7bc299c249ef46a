// A message that another client removes for good while somebody here reads it.

#include "support/mounted_test.hpp"

namespace imapfs::testing {
namespace {

class VanishedMessage : public MountedTest {
 protected:
  void fill() override {
    std::string text;
    while (text.size() < 3U << 20) text += "A line of a long message, as other lines are too.\r\n";
    dovecot().deliver("INBOX", sample_message("Long", "Anna <anna@example.org>", text));
  }

  /// A reader who has seen the beginning, waits for the expunge, and goes on in the middle. Prints what read() says.
  static constexpr const char* reader = R"(
import errno, os
name = [n for n in os.listdir("INBOX") if "Long" in n][0]
descriptor = os.open("INBOX/" + name, os.O_RDONLY)
assert len(os.pread(descriptor, 4096, 0)) == 4096
print("opened", flush=True)
while name in os.listdir("INBOX"):
    os.stat("INBOX")
try:
    print("read", len(os.pread(descriptor, 65536, 1536 << 10)))
except OSError as error:
    print(errno.errorcode[error.errno])
print("links", os.fstat(descriptor).st_nlink)
)";
};

TEST_F(VanishedMessage, AReaderOfWhatWasNeverFetchedGetsEstale) {
  BackgroundCommand reading("cd " + shell_quote(mount().path()) + " && exec python3 -c " + shell_quote(reader));
  ASSERT_TRUE(reading.wait_for_line("opened"));
  dovecot().other_client(R"python(
imap.select("INBOX")
imap.store("1", "+FLAGS", "(\\Deleted)")
imap.expunge()
)python");
  EXPECT_EQ(reading.wait(), 0) << reading.output();
  EXPECT_EQ(reading.output(), "opened\nESTALE\nlinks 0\n");
}

}  // namespace
}  // namespace imapfs::testing
