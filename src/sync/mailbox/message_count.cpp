#include "sync/mailbox/message_count.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {

bool MessageCount::accounts_for(std::uint64_t messages_counted) const {
  const auto lock = news_.lock();
  return messages() == messages_counted;
}

std::uint64_t MessageCount::unaccounted() const {
  const auto lock = news_.lock();
  return unaccounted_;
}

void MessageCount::compared(std::uint64_t messages_counted) {
  const auto lock = news_.lock();
  const auto held = table_.size();
  const auto before = std::exchange(unaccounted_, messages_counted > held ? messages_counted - held : 0);
  const auto path = telemetry::printable(identity_.path);
  if (unaccounted_ > before)
    telemetry::warning("{}: the server counts {} messages and shows {}", path, messages_counted, held);
  if (std::exchange(in_doubt_, false)) telemetry::info("{}: it is clear again what is there", path);
}

void MessageCount::doubt(std::uint64_t messages_counted) {
  const auto lock = news_.lock();
  if (std::exchange(in_doubt_, true)) return;
  telemetry::warning("{}: of {} messages the server does not name all, and counts {}; none is taken for removed",
                     telemetry::printable(identity_.path), table_.size(), messages_counted);
}

void MessageCount::reset() {
  unaccounted_ = 0;
  in_doubt_ = false;
}

}  // namespace imapfs::sync
