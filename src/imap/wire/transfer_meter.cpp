#include "imap/wire/transfer_meter.hpp"

#include <algorithm>

namespace imapfs::imap {
namespace {

constexpr std::size_t piece_bytes = 1 << 20;
constexpr SteadyClock::duration piece_time = std::chrono::seconds(2);
/// Too little to say anything of the link.
constexpr std::size_t least_piece = 1 << 14;
/// TCP doubles what it sends with each round trip: after so many pieces it has found the link's limit.
constexpr std::size_t pieces_to_measure = 6;
/// Of a piece's time, spent waiting: else the daemon is the limit.
constexpr double least_wait = 0.5;

double seconds(SteadyClock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void TransferMeter::read(std::size_t bytes, SteadyClock::duration waited, SteadyClock::time_point now) {
  if (piece_began_ == SteadyClock::time_point()) piece_began_ = now - waited;
  waited_ += waited;
  bytes_ += bytes;
  if (bytes_ >= piece_bytes || now - piece_began_ >= piece_time) end_piece(now);
}

void TransferMeter::end_piece(SteadyClock::time_point now) {
  const auto bytes = std::exchange(bytes_, 0);
  const double time = seconds(now - std::exchange(piece_began_, now));
  const double waited = seconds(std::exchange(waited_, {}));
  if (bytes < least_piece || time <= 0 || waited < least_wait * time) return;
  best_ = std::max(best_, static_cast<double>(bytes) / time);
  if (++pieces_ < pieces_to_measure) return;
  pieces_ = 0;
  on_measured_(std::exchange(best_, 0));
}

}  // namespace imapfs::imap
