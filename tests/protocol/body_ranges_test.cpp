// UID FETCH BODY.PEEK[]<…> of one message, range after range.
#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

class NotingRangeSink final : public BodyRangeSink {
 public:
  explicit NotingRangeSink(std::deque<OctetRange> ranges) : ranges_(std::move(ranges)) {}
  std::optional<OctetRange> next_range() override {
    if (ranges_.empty()) return std::nullopt;
    const auto range = ranges_.front();
    ranges_.pop_front();
    return range;
  }
  Result<void> begin(const OctetRange& range, std::uint64_t length) override {
    notes.push_back(fmt::format("{}+{}: ", range.offset, length));
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    notes.back().append(bytes.data(), bytes.size());
    return {};
  }
  void answered(const OctetRange& range) override { answers.push_back(range.offset); }

  std::vector<std::string> notes;
  std::vector<std::uint64_t> answers;

 private:
  std::deque<OctetRange> ranges_;
};

/// A session with INBOX selected, whose script goes on with what `continue_script` adds.
class FetchingRanges {
 public:
  explicit FetchingRanges(const std::function<void(ScriptedServer&)>& continue_script) {
    server.log_in("IMAP4rev1").answer("EXAMINE", "* 9 EXISTS\r\n");
    continue_script(server);
    session = logged_in(server);
    if (session == nullptr) return;
    EXPECT_TRUE(session->select(inbox(), patient()));
  }
  Result<void> fetch(NotingRangeSink& sink) {
    return session->fetch_ranges(Uid{7}, sink, std::chrono::seconds(20), patient());
  }
  void expect_usable() { EXPECT_TRUE(session->noop(patient())) << server.complaint(); }

  ScriptedServer server;
  std::unique_ptr<Session> session;
};

using Notes = std::vector<std::string>;

TEST(FetchBodyRanges, TheNextIsAskedForBeforeTheLastIsAnswered) {
  FetchingRanges f([](ScriptedServer& server) {
    server.expect("UID FETCH 7 (UID BODY.PEEK[]<0.3>)")
        .expect("UID FETCH 7 (UID BODY.PEEK[]<3.3>)")
        .send("* 4 FETCH (UID 7 BODY[]<0> {3}\r\nabc)\r\n{previous tag} OK\r\n")
        .expect("UID FETCH 7 (UID BODY.PEEK[]<6.3>)")
        .send("* 4 FETCH (UID 7 BODY[]<3> {3}\r\ndef)\r\n{previous tag} OK\r\n")
        .send("* 4 FETCH (UID 7 BODY[]<6> {2}\r\ngh)\r\n{tag} OK\r\n")
        .answer("NOOP", "");
  });
  NotingRangeSink sink({{0, 3}, {3, 3}, {6, 3}});
  const auto fetched = f.fetch(sink);
  ASSERT_TRUE(fetched) << fetched.error().what << f.server.complaint();
  EXPECT_EQ(sink.notes, (Notes{"0+3: abc", "3+3: def", "6+2: gh"}));
  EXPECT_EQ(sink.answers, (std::vector<std::uint64_t>{0, 3, 6}));
  f.expect_usable();
}

TEST(FetchBodyRanges, MayComeMixed) {
  FetchingRanges f([](ScriptedServer& server) {
    server.expect("<0.3>")
        .expect("<3.3>")
        .send("* 4 FETCH (UID 7 BODY[]<3> {3}\r\ndef)\r\n* 4 FETCH (UID 7 BODY[]<0> {3}\r\nabc)\r\n")
        .send("{previous tag} OK\r\n{tag} OK\r\n")
        .answer("NOOP", "");
  });
  NotingRangeSink sink({{0, 3}, {3, 3}});
  ASSERT_TRUE(f.fetch(sink));
  EXPECT_EQ(sink.notes, (Notes{"3+3: def", "0+3: abc"}));
  f.expect_usable();
}

TEST(FetchBodyRanges, OfAnotherMessageOrLongerThanAskedForAreRefused) {
  for (const std::string row : {"UID 8 BODY[]<0> {3}\r\nabc", "UID 7 BODY[]<0> {4}\r\nabcd"}) {
    FetchingRanges f([&](ScriptedServer& server) {
      server.answer("<0.3>", "* 4 FETCH (" + row + ")\r\n").answer("NOOP", "").answer("<0.3>", "").answer("NOOP", "");
    });
    NotingRangeSink sink({{0, 3}});
    const auto fetched = f.fetch(sink);
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().scope, Scope::message);
    EXPECT_TRUE(sink.notes.empty()) << row;
  }
}

TEST(FetchBodyRanges, OfAMessageThatIsGoneAreENOENTAfterASecondLook) {
  FetchingRanges f([](ScriptedServer& server) { server.answer("<0.3>", "").answer("NOOP", "").answer("NOOP", ""); });
  NotingRangeSink sink({{0, 3}});
  const auto fetched = f.fetch(sink);
  // The sink has no more to ask for the second time.
  EXPECT_TRUE(fetched || fetched.error().errnum == ENOENT);
  EXPECT_EQ(sink.answers, (std::vector<std::uint64_t>{0}));
  f.expect_usable();
}

}  // namespace
}  // namespace imapfs::imap::test
