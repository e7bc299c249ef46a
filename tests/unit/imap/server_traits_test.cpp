#include "imapfs/imap/server_traits.hpp"

#include <gtest/gtest.h>

namespace imapfs::imap::test {
namespace {

Error answered(std::string_view command, std::string code, std::string text = "x",
               Answer::Kind kind = Answer::Kind::no) {
  return error_from_answer(command, Answer{kind, std::move(code), {}, std::move(text)});
}

TEST(ErrorFromAnswer, MapsEveryCodeOfTheContract) {
  const std::vector<std::pair<const char*, int>> table = {
      {"NONEXISTENT", ENOENT}, {"TRYCREATE", ENOENT},  {"ALREADYEXISTS", EEXIST}, {"NOPERM", EACCES},
      {"READ-ONLY", EROFS},    {"OVERQUOTA", EDQUOT},  {"LIMIT", EAGAIN},         {"INUSE", EBUSY},
      {"CANNOT", EPERM},       {"APPENDLIMIT", EFBIG}, {"TOOBIG", EFBIG},         {"EXPUNGEISSUED", ESTALE},
      {"UNAVAILABLE", EAGAIN}, {"SERVERBUG", EIO},     {"HASCHILDREN", ENOTEMPTY}};
  for (const auto& [code, errnum] : table) EXPECT_EQ(answered("EXAMINE", code).errnum, errnum) << code;
}

TEST(ErrorFromAnswer, BusyServersMayBeAskedAgainLater) {
  for (const auto* code : {"LIMIT", "INUSE", "UNAVAILABLE"})
    EXPECT_EQ(answered("FETCH", code).retry, Retry::later) << code;
  EXPECT_EQ(answered("FETCH", "", "Request is throttled. Suggested Backoff Time: 300000 milliseconds").retry,
            Retry::later);
  EXPECT_EQ(answered("FETCH", "", "Server Unavailable. 15", Answer::Kind::bad).retry, Retry::later);
}

TEST(ErrorFromAnswer, WordsCountWhereThereIsNoCode) {
  EXPECT_EQ(answered("EXAMINE", "", "Mailbox doesn't exist: x").errnum, ENOENT);
  EXPECT_EQ(answered("APPEND", "", "Quota exceeded").errnum, EDQUOT);
  EXPECT_EQ(answered("FETCH", "", "Some messages no longer exist").errnum, ESTALE);
  EXPECT_EQ(answered("FETCH", "", "no idea").errnum, EIO);
}

TEST(ErrorFromAnswer, EveryRefusedLoginIsOfTheAccount) {
  for (const auto* code : {"AUTHENTICATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN", ""}) {
    const auto error = answered("LOGIN", code);
    EXPECT_EQ(error.errnum, EACCES) << code;
    EXPECT_EQ(error.scope, Scope::account) << code;
    EXPECT_EQ(error.retry, Retry::never) << code;
  }
  EXPECT_EQ(answered("AUTHENTICATE", "UNAVAILABLE").retry, Retry::later);
}

TEST(ErrorFromAnswer, ByeCostsTheSession) {
  const auto bye = answered("NOOP", "", "Autologout; idle for too long", Answer::Kind::bye);
  EXPECT_EQ(bye.scope, Scope::session);
  EXPECT_EQ(bye.retry, Retry::now);
  EXPECT_EQ(answered("NOOP", "UNAVAILABLE", "x", Answer::Kind::bye).retry, Retry::later);
}

TEST(ErrorFromAnswer, TextIsSanitisedAndHasNoFullStop) {
  const auto error = answered("FETCH", "", "bad \x1b[2J thing.");
  EXPECT_EQ(error.what.find('\x1b'), std::string::npos);
  EXPECT_NE(error.what.back(), '.');
}

TEST(SuggestedBackoff, IsReadAndBounded) {
  EXPECT_EQ(suggested_backoff_ms("Request is throttled. Suggested Backoff Time: 299961 milliseconds"), 299961u);
  EXPECT_EQ(suggested_backoff_ms("suggested backoff time: 99999999999"), 3'600'000u);
  EXPECT_FALSE(suggested_backoff_ms("Suggested Backoff Time: soon"));
  EXPECT_FALSE(suggested_backoff_ms("no hint"));
}

TEST(Quirks, EveryNameIsReadBack) {
  for (int i = 0; i < quirk_count; ++i) {
    const auto quirk = static_cast<Quirk>(i);
    EXPECT_EQ(quirk_from_string(to_string(quirk)), quirk);
  }
  EXPECT_FALSE(quirk_from_string("no-such-quirk"));
}

TEST(Quirks, AreDetectedFromGreetingIdAndCapabilities) {
  const auto gmail = make_traits("Gimap ready for requests", Capabilities({"IMAP4REV1", "X-GM-EXT-1"}), {}, {});
  EXPECT_TRUE(gmail.has(Quirk::wrong_sizes));
  const auto icloud = make_traits("hi", Capabilities({"QRESYNC", "CONDSTORE"}), {{"name", "iCloud"}}, {});
  EXPECT_TRUE(icloud.has(Quirk::no_qresync));
  EXPECT_FALSE(icloud.has("QRESYNC"));
  EXPECT_TRUE(icloud.has("CONDSTORE"));
  const auto coremail = make_traits("Coremail System IMap Server Ready", Capabilities({"ID"}), {}, {});
  EXPECT_TRUE(coremail.has(Quirk::id_before_select));
  const auto exchange = make_traits("The Microsoft Exchange IMAP4 service is ready.", Capabilities({"LIST-STATUS"}), {},
                                    {});
  EXPECT_TRUE(exchange.has(Quirk::no_list_return));
  EXPECT_FALSE(exchange.has("LIST-STATUS"));
  const auto yahoo = make_traits("ready", Capabilities({"MOVE"}), {{"vendor", "Yahoo! Inc."}, {"name", "yahoo.co.jp"}},
                                 {});
  EXPECT_TRUE(yahoo.has(Quirk::small_fetch_sets));
  EXPECT_FALSE(yahoo.has("MOVE"));
  EXPECT_TRUE(make_traits("Dovecot ready.", Capabilities({"QRESYNC"}), {{"name", "Dovecot"}}, {}).quirks.empty());
}

TEST(Quirks, CanBeAddedAndRemovedByTheUser) {
  const auto overrides = QuirkOverrides::parse("+no-idle,-wrong-sizes,+no-condstore,+no-notify,+no-partial");
  ASSERT_TRUE(overrides);
  const auto traits = make_traits("Gimap ready", Capabilities({"IDLE", "CONDSTORE", "QRESYNC", "NOTIFY"}), {},
                                  *overrides);
  EXPECT_FALSE(traits.has(Quirk::wrong_sizes));
  EXPECT_TRUE(traits.has(Quirk::no_partial));
  EXPECT_TRUE(traits.capabilities.words().empty());
}

TEST(Quirks, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const auto overrides = QuirkOverrides::parse("+no-idle,+nonsense");
  ASSERT_FALSE(overrides);
  EXPECT_EQ(overrides.error().errnum, EINVAL);
  EXPECT_NE(overrides.error().what.find("+nonsense"), std::string::npos);
  EXPECT_NE(overrides.error().what.find("small-fetch-sets"), std::string::npos);
  EXPECT_FALSE(QuirkOverrides::parse("no-idle"));
}

}  // namespace
}  // namespace imapfs::imap::test
