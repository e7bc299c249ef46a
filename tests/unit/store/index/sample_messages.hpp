#pragma once
// Messages, states and batches for the index's tests.

#include <string>
#include <vector>

#include "imapfs/store/metadata_store.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::store::testing {

inline StoredMessage message(std::uint32_t uid, const std::string& flags = "\\Seen") {
  StoredMessage stored;
  stored.meta.uid = Uid{uid};
  stored.meta.internal_date = 1'700'000'000 + uid;
  stored.meta.size = 1000 + uid;
  stored.meta.modseq = ModSeq{uid * 10ULL};
  stored.meta.flags = FlagSet::parse(flags);
  stored.meta.file_name = "2026-11-20_0930_anna@example.org_Lunch-on-Friday." + std::to_string(uid) + ".eml";
  stored.headers = {"Anna <anna@example.org>", "Lunch on Friday", "Fri, 20 Nov 2026 09:30:00 +0000",
                    "<" + std::to_string(uid) + "@example.org>"};
  return stored;
}

inline MailboxState state(std::uint32_t uid_next) {
  MailboxState made;
  made.uid_validity = UidValidity{7};
  made.uid_next = Uid{uid_next};
  made.highest_modseq = ModSeq{0x8000'0000'0000'0001ULL};
  made.complete = true;
  made.name_template = "{uid}.eml";
  made.changed_at = 1'700'000'001;
  made.changed_at_nanoseconds = 999'999'999;
  return made;
}

inline MetadataStore::Batch batch_of(std::uint32_t first, std::uint32_t last, const std::string& mailbox = "INBOX") {
  MetadataStore::Batch batch;
  batch.mailbox = mailbox;
  for (std::uint32_t uid = first; uid <= last; ++uid) batch.upserts.add(message(uid));
  batch.state = state(last + 1);
  return batch;
}

inline std::vector<MessageMeta> rows(MetadataStore& store, const std::string& mailbox = "INBOX") {
  std::vector<MessageMeta> found;
  store.for_each_message(mailbox, [&](const MessageMeta& meta) { found.push_back(meta); });
  return found;
}

inline std::vector<std::uint32_t> uids(MetadataStore& store, const std::string& mailbox = "INBOX") {
  std::vector<std::uint32_t> found;
  for (const auto& meta : rows(store, mailbox)) found.push_back(meta.uid.value);
  return found;
}

inline std::string index_of(const TemporaryDirectory& directory) { return directory.path("index.sqlite"); }

}  // namespace imapfs::store::testing
