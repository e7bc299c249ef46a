#include "sync/mailbox/row_loader.hpp"

#include <chrono>
#include <utility>

#include "imapfs/base/memory.hpp"

namespace imapfs::sync {
namespace {

constexpr auto load_retry = std::chrono::milliseconds(20);
constexpr std::size_t rows_worth_giving_back = 10'000;

}  // namespace

void RowLoader::with_rows(const MailboxPointer& mailbox, Job then) {
  const auto ticket = mailbox->replica.stored_rows().await_load(then);
  if (ticket.loaded) return then();
  if (ticket.must_start) load(mailbox);
}

void RowLoader::load(const MailboxPointer& mailbox) {
  const bool posted = store_.try_post([this, mailbox](store::MetadataStore& metadata) {
    mailbox->replica.stored_rows().load(metadata);
    mailbox->replica.news().publish();
    give_back_memory(mailbox);
  });
  // The queue is full. This may be a FUSE thread, so do not wait.
  if (!posted) helper_.after(load_retry, [this, mailbox] { load(mailbox); });
}

void RowLoader::give_back_memory(const MailboxPointer& mailbox) {
  if (mailbox->replica.table()->size() >= rows_worth_giving_back)
    (void)store_.try_post([](store::MetadataStore&) { give_back_free_memory(); });
}

}  // namespace imapfs::sync
