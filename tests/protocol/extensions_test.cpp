// Extensions that change the wire itself: COMPRESS=DEFLATE (RFC 4978) and UTF8=ACCEPT (RFC 6855).
#include "change_dialogue.hpp"

namespace imapfs::imap::test {
namespace {

const std::string uber =
    "\xc3\x9c"
    "ber";  // Über

AccountSettings with_compression(CompressionMode mode) {
  auto settings = account();
  settings.compression = std::make_shared<CompressionChoice>(mode);
  return settings;
}

TEST(Compress, IsNegotiatedAndCarriesWhatFollows) {
  const std::string body(100'000, 'z');
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE")
      .answer("COMPRESS DEFLATE", "")
      .compress()
      .answer("EXAMINE", "* 1 EXISTS\r\n")
      .answer("BODY.PEEK[]", "* 1 FETCH (UID 7 BODY[] {100000}\r\n" + body + ")\r\n")
      .answer("NOOP", "* 2 EXISTS\r\n");
  const auto session = logged_in(server, with_compression(CompressionMode::yes));
  ASSERT_NE(session, nullptr);
  EXPECT_NE(session->description().find("DEFLATE"), std::string::npos) << session->description();
  ASSERT_TRUE(session->select(inbox(), patient())) << server.complaint();
  NotingSink sink;
  const auto fetched = session->fetch_body(Uid{7}, {}, sink, patient());
  ASSERT_TRUE(fetched) << fetched.error().what;
  EXPECT_EQ(sink.total, body.size());
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 2"});
}

TEST(Compress, IdleAndItsNewsPassThroughIt) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE COMPRESS=DEFLATE")
      .answer("COMPRESS DEFLATE", "")
      .compress()
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n")
      .send("* 4 EXISTS\r\n")
      .expect_bare("DONE")
      .send("{tag} OK\r\n");
  const auto session = logged_in(server, with_compression(CompressionMode::yes));
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto end = session->idle(std::chrono::seconds(60), patient());
  ASSERT_TRUE(end) << end.error().what;
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 4"});
}

TEST(Compress, RefusedGoesOnUncompressed) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE")
      .answer("COMPRESS", "", "NO [COMPRESSIONACTIVE] by TLS")
      .answer("NOOP", "");
  const auto session = logged_in(server, with_compression(CompressionMode::yes));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->description().find("DEFLATE"), std::string::npos);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Compress, IsNotAskedForWhenSwitchedOff) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE").answer("NOOP", "");
  const auto session = logged_in(server, with_compression(CompressionMode::no));
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Compress, ThatBreaksTheConnectionIsLeftOutOnTheNext) {
  for (const bool garbage : {true, false}) {
    const auto settings = with_compression(CompressionMode::yes);
    ScriptedServer first;
    first.log_in("IMAP4rev1 COMPRESS=DEFLATE").answer("COMPRESS DEFLATE", "");
    if (garbage) first.send("* OK this is not compressed\r\n* OK at all\r\n");
    first.hang_up();
    auto session = logged_in(first, settings);
    ASSERT_NE(session, nullptr) << first.complaint();
    const auto lost = session->noop(patient());
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().scope, Scope::session);
    ScriptedServer second;
    second.log_in("IMAP4rev1 COMPRESS=DEFLATE").answer("NOOP", "");
    session = logged_in(second, settings);
    ASSERT_NE(session, nullptr);
    EXPECT_TRUE(session->noop(patient())) << second.complaint();
    EXPECT_TRUE(session->traits().has(Quirk::no_compress));
  }
}

TEST(Compress, ThatHasWorkedIsNotBlamedForALostConnection) {
  const auto settings = with_compression(CompressionMode::yes);
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE").answer("COMPRESS DEFLATE", "").compress().answer("NOOP", "").hang_up();
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_FALSE(session->noop(patient()));
  EXPECT_TRUE(settings.learned->all().empty());
}

/// Four messages, a set each. Before the third the link is found to be slow.
class SlowLinkSink final : public BodySetSink {
 public:
  explicit SlowLinkSink(std::shared_ptr<CompressionChoice> choice) : choice_(std::move(choice)) {}
  UidSet next_set() override {
    if (next_ > 4) return {};
    if (next_ == 3) choice_->measured(false, 1e6);
    return UidSet::single(Uid{next_++});
  }
  Result<void> begin(Uid, std::uint64_t) override { return {}; }
  Result<void> data(std::span<const char> bytes) override {
    text.append(bytes.data(), bytes.size());
    return {};
  }
  Result<void> end() override { return {}; }
  void answered(std::size_t number) override { numbers.push_back(number); }

  std::string text;
  std::vector<std::size_t> numbers;

 private:
  const std::shared_ptr<CompressionChoice> choice_;
  std::uint32_t next_ = 1;
};

TEST(Compress, BeginsBetweenTwoSetsOfBodiesWhenTheLinkIsFoundToBeSlow) {
  const auto settings = with_compression(CompressionMode::automatic);
  const auto row = [](int uid) { return fmt::format("* {} FETCH (UID {} BODY[] {{3}}\r\nm{}\n)\r\n", uid, uid, uid); };
  ScriptedServer server;
  server.log_in("IMAP4rev1 COMPRESS=DEFLATE")
      .answer("EXAMINE", "* 4 EXISTS\r\n")
      .answer("UID FETCH 1", row(1))
      .answer("UID FETCH 2", row(2))
      .answer("UID FETCH 3", row(3))
      .answer("COMPRESS DEFLATE", "")
      .compress()
      .answer("UID FETCH 4", row(4))
      .answer("NOOP", "");
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  SlowLinkSink sink(settings.compression);
  const auto fetched = session->fetch_bodies(sink, std::chrono::seconds(5), patient());
  ASSERT_TRUE(fetched) << fetched.error().what << server.complaint();
  EXPECT_EQ(sink.text, "m1\nm2\nm3\nm4\n");
  EXPECT_EQ(sink.numbers, (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

AccountSettings with_utf8_accept() {
  auto settings = account();
  settings.quirks.add.insert(Quirk::needs_utf8_accept);
  return settings;
}

TEST(Utf8Accept, IsNotEnabledWhereNothingNeedsIt) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT").answer("LIST \"\" \"*\"", "* LIST () \"/\" \"&ANw-ber\"\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed) << server.complaint();
  EXPECT_EQ(listed->front().name, uber);
}

TEST(Utf8Accept, IsEnabledOnTheNextConnectionOnceMailIsKeptBackWithoutIt) {
  const auto settings = account();
  ScriptedServer first;
  first.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("EXAMINE", "* 1 EXISTS\r\n")
      .answer("UID FETCH", "",
              "NO Your IMAP client does not implement Unicode messages, see https://tools.ietf.org/html/rfc6855.html");
  auto session = logged_in(first, settings);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(session->select(inbox(), patient()));
  const auto kept_back = session->fetch(
      listing(), [](const FetchRow&) {}, patient());
  ASSERT_FALSE(kept_back);
  EXPECT_EQ(kept_back.error().scope, Scope::session) << "the job runs again";
  EXPECT_EQ(kept_back.error().retry, Retry::now);
  ScriptedServer second;
  second.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .answer("EXAMINE", "* 1 EXISTS\r\n");
  session = logged_in(second, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_TRUE(session->select(inbox(), patient())) << second.complaint();
}

TEST(Utf8Accept, ThatIsRefusedInUseIsGivenUpForGood) {
  const auto settings = with_utf8_accept();
  ScriptedServer first;
  first.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .answer("EXAMINE", "", "NO not in UTF8 mode");
  auto session = logged_in(first, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->select(inbox(), patient()).error().scope, Scope::session);
  ScriptedServer second;
  second.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT").answer("EXAMINE", "", "NO not in UTF8 mode either");
  session = logged_in(second, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->select(inbox(), patient()).error().scope, Scope::request) << "and nothing is tried in a circle";
}

TEST(Utf8Accept, ThatTheServerDoesNotEnableIsNotTriedInACircle) {
  const auto settings = account();
  settings.learned->add({Quirk::needs_utf8_accept});
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED\r\n")
      .answer("EXAMINE", "", "NO see rfc6855")
      .answer("NOOP", "");
  const auto session = logged_in(server, settings);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->select(inbox(), patient()).error().scope, Scope::request);
  EXPECT_TRUE(session->noop(patient()));
}

TEST(Utf8Accept, NamesAreUtf8InQuotesBothWaysAndTheSameForEverybodyElse) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" \"" + uber + "\"\r\n* LIST () \"/\" \"a&b\"\r\n")
      .answer("EXAMINE \"" + uber + "\"", "* 1 EXISTS\r\n* STATUS \"" + uber + "\" (MESSAGES 2)\r\n");
  const auto session = logged_in(server, with_utf8_accept());
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed) << server.complaint();
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].name, uber);
  EXPECT_EQ((*listed)[0].wire_name, "&ANw-ber");
  EXPECT_EQ((*listed)[1].name, "a&b") << "an ampersand is an ampersand here";
  EXPECT_EQ((*listed)[1].wire_name, "a&-b");
  auto request = inbox();
  request.mailbox = "&ANw-ber";
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
  EXPECT_EQ(listener.notes, std::vector<std::string>{"status &ANw-ber 2"});
}

TEST(Utf8Accept, AMessageWithAnEightBitHeaderIsSentAsOne) {
  const std::string eight_bit = "Subject: " + uber + "\r\n\r\nHello.\r\n";
  const std::string seven_bit = "Subject: hello\r\n\r\n" + uber + "\r\n";
  ScriptedServer server;
  server.log_in("IMAP4rev1 LITERAL+ ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\n")
      .expect(fmt::format("APPEND \"Archive\" UTF8 (~{{{}+}}", eight_bit.size()))
      .receive(eight_bit.size())
      .expect_bare(")")
      .send("{tag} OK done\r\n")
      .expect(fmt::format("APPEND \"Archive\" {{{}+}}", seven_bit.size()))
      .receive(seven_bit.size())
      .expect_bare("")
      .send("{tag} OK done\r\n");
  const auto session = logged_in(server, with_utf8_accept());
  ASSERT_NE(session, nullptr);
  for (const auto& text : {eight_bit, seven_bit}) {
    TextSource source(text);
    const auto appended = session->append(into("Archive"), source, patient());
    EXPECT_TRUE(appended) << server.complaint();
    const auto received = server.received();
    EXPECT_EQ(received[received.size() - 2], text);
  }
}

TEST(Utf8Accept, ThatWasNotEnabledLeavesNamesInModifiedUtf7) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 ENABLE UTF8=ACCEPT")
      .answer("ENABLE UTF8=ACCEPT", "* ENABLED\r\n")
      .answer("LIST \"\" \"*\"", "* LIST () \"/\" \"&ANw-ber\"\r\n")
      .answer("EXAMINE \"&ANw-ber\"", "* 1 EXISTS\r\n");
  const auto session = logged_in(server, with_utf8_accept());
  ASSERT_NE(session, nullptr);
  const auto listed = session->list("", patient());
  ASSERT_TRUE(listed) << server.complaint();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].name, uber);
  auto request = inbox();
  request.mailbox = (*listed)[0].wire_name;
  EXPECT_TRUE(session->select(request, patient())) << server.complaint();
}

}  // namespace
}  // namespace imapfs::imap::test
