#include "sync/account_usage.hpp"

#include <utility>

namespace imapfs::sync {
namespace {

/// In pages: the table's lock is not held for long.
std::uint64_t bytes_listed(const MessageTable& table) {
  std::uint64_t bytes = 0;
  Uid last;
  while (true) {
    const auto page = table.visit_after(last, 10'000, [&](const MessageTable::RowView& row) {
      bytes += row.size;
      last = row.uid;
      return true;
    });
    if (page.rows == 0) return bytes;
  }
}

}  // namespace

void AccountUsage::tell(Completion<Usage> done) {
  const auto known = measured_.with_lock([](const Measured& measured) { return measured; });
  const bool fresh = SteadyClock::now() - known.when < refresh_;
  if (known.usage && (fresh || !server_.online())) return done(*known.usage);
  if (!flight_.join(0, std::move(done))) return;
  server_.ask<std::optional<imap::Quota>>(
      {.what = "quota"},
      [](imap::Session& session, const CallContext& context) { return session.quota("INBOX", context); },
      [this](const Result<std::optional<imap::Quota>>& quota) {
        // Without a quota, or without a connection, what is known of the messages has to do.
        finish(quota && *quota ? Usage{(*quota)->used_kib, (*quota)->limit_kib} : sum_of_sizes());
      });
}

void AccountUsage::finish(const Usage& usage) {
  *measured_.lock() = {usage, SteadyClock::now()};
  for (const auto& waiting : flight_.finish(0)) waiting(usage);
}

Usage AccountUsage::sum_of_sizes() const {
  std::uint64_t bytes = 0;
  for (const auto& mailbox : mailboxes_.all()) {
    const auto told = mailbox->activity.lock()->listed.size;
    bytes += told ? *told : bytes_listed(*mailbox->replica.table());
  }
  return {(bytes + 1023) / 1024, std::nullopt};
}

}  // namespace imapfs::sync
