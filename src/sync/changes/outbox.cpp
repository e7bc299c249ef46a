#include "imapfs/sync/outbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace imapfs::sync {

namespace {

constexpr std::chrono::seconds longest_upload_pause{300};

}  // namespace

Result<void> Outbox::update(Row& row, Row changed) {
  IMAPFS_TRY(journal_->update(changed));
  row = std::move(changed);
  return {};
}

Result<void> Outbox::write_through(Row& row, Row changed) {
  IMAPFS_TRY(journal_->update(changed));
  IMAPFS_TRY(journal_->sync());
  row = std::move(changed);
  return {};
}

Result<void> Outbox::set_state(Row& row, State state, const std::string& reason) {
  auto changed = row;
  changed.state = state;
  changed.reason = reason;
  return update(row, std::move(changed));
}

Result<void> Outbox::discard(Row& row) {
  const auto id = std::exchange(row.id, {});
  if (id.value == 0) return {};
  unlist(id);
  return journal_->unstage(id);
}

bool Outbox::is_tried_again_after(const Error& error) {
  return error.retry != Retry::never || error.scope == Scope::session;
}

std::chrono::seconds Outbox::pause_after(int attempts) {
  return std::min(longest_upload_pause, std::chrono::seconds(std::int64_t{1} << std::min(attempts, 10)));
}

std::string Outbox::name_of(const Row& row) { return fmt::format("{}-{}", row.id.value, row.name); }

void Outbox::list(Refused refused) {
  refused_.with_lock([&](auto& all) { all.insert_or_assign(refused.id, std::move(refused)); });
}

void Outbox::unlist(store::StagedId id) {
  refused_.with_lock([&](auto& all) { all.erase(id); });
}

bool Outbox::lists(store::StagedId id) const {
  return refused_.with_lock([&](const auto& all) { return all.contains(id); });
}

std::vector<Outbox::Refused> Outbox::refused() const {
  return refused_.with_lock([](const auto& all) {
    std::vector<Refused> list;
    list.reserve(all.size());
    for (const auto& [id, one] : all) list.push_back(one);
    return list;
  });
}

Result<void> Outbox::check(MailboxId mailbox) const {
  std::string names;
  for (const auto& one : refused()) {
    if (mailbox.value == 0 || one.mailbox == mailbox) names += (names.empty() ? "" : ", ") + one.name;
  }
  if (names.empty()) return {};
  return fail(EIO, Scope::message, Retry::never, "not uploaded, and in .imapfs/outbox: {}", names);
}

}  // namespace imapfs::sync
