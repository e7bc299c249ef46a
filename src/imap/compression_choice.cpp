#include "imapfs/imap/compression_choice.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {

CompressionChoice::CompressionChoice(CompressionMode mode, std::optional<bool> remembered, Now now)
    : mode_(mode), now_(std::move(now)) {
  const bool first = mode == CompressionMode::automatic ? remembered.value_or(false) : mode == CompressionMode::yes;
  state_.with_lock([&](State& state) { state.wanted = first; });
}

bool CompressionChoice::wanted() const {
  return state_.with_lock([](const State& state) { return state.wanted; });
}

void CompressionChoice::measured(bool compressed, double bytes_per_second) {
  if (mode_ != CompressionMode::automatic) return;
  const auto now = now_();
  const auto changed = state_.with_lock([&](State& state) -> std::optional<bool> {
    (compressed ? state.compressed : state.plain) = Measurement{bytes_per_second, now};
    auto& other = compressed ? state.plain : state.compressed;
    const bool fast = bytes_per_second >= fast_enough;
    if (other && fast && now - other->when >= remembered_for) other.reset();
    const bool keeps = other ? bytes_per_second >= other->rate : fast != compressed;
    const bool wanted = keeps == compressed;
    if (state.wanted == wanted) return std::nullopt;
    state.wanted = wanted;
    return wanted;
  });
  if (changed) {
    telemetry::info("imap: {:.1f} MB/s {}: connections are {} from now on", bytes_per_second / 1e6,
                    compressed ? "compressed" : "plain", *changed ? "compressed" : "plain");
  }
}

}  // namespace imapfs::imap
