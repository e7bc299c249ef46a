#include "imapfs/store/metadata_store.hpp"

#include <sys/stat.h>

#include <chrono>

#include "sample_messages.hpp"

namespace imapfs::store {
namespace {

using namespace testing;
namespace fs = std::filesystem;

TEST(MetadataStore, EverythingWrittenIsThereAfterARestart) {
  TemporaryDirectory directory;
  {
    auto store = MetadataStore::open(directory.path());
    ASSERT_FALSE(store->disabled()) << store->last_error();
    auto batch = batch_of(1, 1);
    auto exact = message(2);
    exact.meta.size_is_exact = true;
    batch.upserts.add(exact);
    auto flagged = message(3, "\\Flagged $Forwarded");
    flagged.headers.subject = std::string("a\0b", 3);
    batch.upserts.add(flagged);
    batch.state = state(4);
    store->apply(batch);
  }
  auto store = MetadataStore::open(directory.path());
  const auto found = rows(*store);
  ASSERT_EQ(found.size(), 3u);
  const auto expected = message(1);
  EXPECT_EQ(found[0].uid, expected.meta.uid);
  EXPECT_EQ(found[0].internal_date, expected.meta.internal_date);
  EXPECT_EQ(found[0].size, expected.meta.size);
  EXPECT_FALSE(found[0].size_is_exact);
  EXPECT_TRUE(found[1].size_is_exact);
  EXPECT_EQ(found[0].modseq, expected.meta.modseq);
  EXPECT_EQ(found[0].flags, expected.meta.flags);
  EXPECT_EQ(found[2].flags, FlagSet::parse("\\Flagged $Forwarded"));
  EXPECT_EQ(found[0].file_name, expected.meta.file_name);
  const auto headers = store->headers("INBOX", Uid{3});
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->from, expected.headers.from);
  EXPECT_EQ(headers->subject, std::string("a\0b", 3));
  EXPECT_EQ(headers->message_id, "<3@example.org>");
  const auto kept = store->state("INBOX");
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->uid_validity, UidValidity{7});
  EXPECT_EQ(kept->uid_next, Uid{4});
  EXPECT_EQ(kept->highest_modseq, ModSeq{0x8000'0000'0000'0001ULL});
  EXPECT_TRUE(kept->complete);
  EXPECT_EQ(kept->name_template, "{uid}.eml");
  EXPECT_EQ(kept->changed_at, 1'700'000'001);
  EXPECT_EQ(kept->changed_at_nanoseconds, 999'999'999u);
}

TEST(MetadataStore, KnowsNothingOfAMailboxThatWasNeverWritten) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  EXPECT_FALSE(store->state("INBOX"));
  EXPECT_TRUE(rows(*store).empty());
  EXPECT_FALSE(store->headers("INBOX", Uid{1}));
  EXPECT_TRUE(store->mailboxes().empty());
  EXPECT_TRUE(store->for_each_message("INBOX", [](const MessageMeta&) {}));
}

TEST(MetadataStore, ABatchChangesFlagsSizesAndRemovesRanges) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 10));
  MetadataStore::Batch batch;
  batch.mailbox = "INBOX";
  batch.flag_changes.push_back({Uid{2}, FlagSet::parse("\\Answered"), ModSeq{77}});
  batch.flag_changes.push_back({Uid{99}, FlagSet::parse("\\Answered"), ModSeq{77}});
  batch.exact_sizes.push_back({Uid{3}, 5});
  batch.removals.add(Uid{5}, Uid{7});
  batch.removals.add(Uid{10}, Uid{4294967295});
  store->apply(batch);
  const auto found = rows(*store);
  ASSERT_EQ(uids(*store), (std::vector<std::uint32_t>{1, 2, 3, 4, 8, 9}));
  EXPECT_EQ(found[1].flags, FlagSet::parse("\\Answered"));
  EXPECT_EQ(found[1].modseq, ModSeq{77});
  EXPECT_EQ(found[2].size, 5u);
  EXPECT_TRUE(found[2].size_is_exact);
  EXPECT_EQ(store->usage().messages, 6u);
  EXPECT_EQ(store->state("INBOX")->uid_next, Uid{11}) << "a batch without a state keeps the old one";
}

TEST(MetadataStore, WritingAMessageAgainReplacesItAndCountsItOnce) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 2));
  auto again = batch_of(3, 3);
  auto renamed = message(2);
  renamed.meta.file_name = "2.eml";
  again.upserts.add(renamed);
  store->apply(again);
  const auto found = rows(*store);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[1].file_name, "2.eml");
  EXPECT_EQ(store->usage().messages, 3u);
}

TEST(MetadataStore, ForgetAllDropsRowsAndStateBeforeTheNewOnes) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 5));
  auto batch = batch_of(3, 3);
  batch.forget_all = true;
  batch.state.reset();
  store->apply(batch);
  EXPECT_EQ(uids(*store), (std::vector<std::uint32_t>{3}));
  EXPECT_FALSE(store->state("INBOX"));
  EXPECT_EQ(store->usage().messages, 1u);
}

TEST(MetadataStore, MailboxesDoNotMixAndOneIsForgottenAlone) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 2, "INBOX"));
  store->apply(batch_of(1, 4, "Archive/2026"));
  store->forget_mailbox("INBOX");
  store->forget_mailbox("unknown");
  EXPECT_TRUE(uids(*store, "INBOX").empty());
  EXPECT_FALSE(store->state("INBOX"));
  EXPECT_EQ(uids(*store, "Archive/2026").size(), 4u);
  store->apply(batch_of(8, 9, "INBOX"));
  EXPECT_EQ(uids(*store, "INBOX"), (std::vector<std::uint32_t>{8, 9}));
  EXPECT_EQ(store->usage().messages, 6u);
}

TEST(MetadataStore, KeepsTheMailboxListInItsOrder) {
  TemporaryDirectory directory;
  {
    auto store = MetadataStore::open(directory.path());
    store->replace_mailboxes({{"old", "old", '/', true, SpecialUse::none}});
    store->apply(batch_of(1, 2, "old"));
    store->replace_mailboxes({{"Z", "Z", '/', true, SpecialUse::none},
                              {"Entw\xc3\xbcrfe", "Entw&APw-rfe", '.', true, SpecialUse::drafts},
                              {"A", "A", 0, false, SpecialUse::important}});
  }
  auto store = MetadataStore::open(directory.path());
  const auto listed = store->mailboxes();
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0].name, "Z");
  EXPECT_EQ(listed[1].name, "Entw\xc3\xbcrfe");
  EXPECT_EQ(listed[1].wire_name, "Entw&APw-rfe");
  EXPECT_EQ(listed[1].delimiter, '.');
  EXPECT_EQ(listed[1].special_use, SpecialUse::drafts);
  EXPECT_FALSE(listed[2].selectable);
  EXPECT_EQ(listed[2].delimiter, 0);
  EXPECT_EQ(listed[2].special_use, SpecialUse::important);
  EXPECT_EQ(uids(*store, "old").size(), 2u) << "rows are kept until the mailbox is forgotten";
}

TEST(MetadataStore, TheStoreMayBeUsedFromWithinARowsCallback) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 2500));
  std::uint32_t count = 0;
  EXPECT_TRUE(store->for_each_message("INBOX", [&](const MessageMeta& meta) {
    ++count;
    if (meta.uid.value % 1000 != 0) return;
    EXPECT_TRUE(store->headers("INBOX", meta.uid));
  }));
  EXPECT_EQ(count, 2500u);
}

TEST(MetadataStore, AHundredThousandRowsAreWrittenAndReadInWellUnderAFewSeconds) {
  TemporaryDirectory directory;
  std::vector<MetadataStore::Batch> batches;
  for (std::uint32_t first = 1; first < 100'000; first += 1000) batches.push_back(batch_of(first, first + 999));
  auto store = MetadataStore::open(directory.path());
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& batch : batches) store->apply(batch);
  const auto written = std::chrono::steady_clock::now();
  std::uint32_t count = 0;
  store->for_each_message("INBOX", [&](const MessageMeta& meta) { count += meta.uid.value == count + 1 ? 1 : 0; });
  const auto read = std::chrono::steady_clock::now();
  EXPECT_EQ(count, 100'000u);
  const auto milliseconds = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  RecordProperty("write_milliseconds", static_cast<int>(milliseconds(written - begin)));
  RecordProperty("read_milliseconds", static_cast<int>(milliseconds(read - written)));
  // An order of magnitude above what it takes, so that only a lost transaction or index fails it on a busy machine.
  EXPECT_LT(milliseconds(written - begin), 10'000);
  EXPECT_LT(milliseconds(read - written), 10'000);
  EXPECT_GT(store->usage().bytes, 10'000'000u);
}

TEST(MetadataStore, NoneIsDisabledFromTheStart) {
  auto store = MetadataStore::none();
  EXPECT_TRUE(store->disabled());
  store->apply(batch_of(1, 2));
  store->replace_mailboxes({{"A", "A", '/', true, SpecialUse::none}});
  EXPECT_TRUE(rows(*store).empty());
  EXPECT_TRUE(store->mailboxes().empty());
  EXPECT_FALSE(store->for_each_message("INBOX", [](const MessageMeta&) {}));
  EXPECT_EQ(store->usage().messages, 0u);
}

TEST(MetadataStore, IsDisabledWhereItsDirectoryCannotBeUsed) {
  TemporaryDirectory directory;
  auto store = MetadataStore::open(directory.path("missing"));
  EXPECT_TRUE(store->disabled());
  EXPECT_NE(store->last_error().find("missing"), std::string::npos) << store->last_error();
  store->apply(batch_of(1, 1));
  EXPECT_TRUE(rows(*store).empty());
}

TEST(MetadataStore, IsDisabledInADirectoryThatMayNotBeWritten) {
  TemporaryDirectory directory;
  ::chmod(directory.path().c_str(), 0555);
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
              auto store = MetadataStore::open(directory.path());
              return store->disabled() && !store->last_error().empty() ? 0 : 2;
            }),
            0);
  ::chmod(directory.path().c_str(), 0755);
}

TEST(MetadataStore, TheFileIsPrivateWhateverTheUmask) {
  TemporaryDirectory directory;
  EXPECT_EQ(in_child([&] {
              ::umask(0);
              auto store = MetadataStore::open(directory.path());
              store->apply(batch_of(1, 1));
              for (const auto& entry : fs::directory_iterator(directory.path())) {
                if ((entry.status().permissions() & fs::perms(077)) != fs::perms::none) return 1;
              }
              return store->disabled() ? 2 : 0;
            }),
            0);
}

}  // namespace
}  // namespace imapfs::store
