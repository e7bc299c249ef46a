#pragma once
// Whether the connections of an account use COMPRESS=DEFLATE (RFC 4978) where the server offers it.
//
// Compressing costs the server processor time: about 35 MB/s of one core was measured, so that it pays on links below
// some 200 Mbit/s and costs on faster ones. CompressionMode::automatic begins plain, goes by what bulk transfers get
// while the link or the server is the limit, and keeps what got more once both were measured.
//
// Any thread; one lock, a leaf. Shared by all connections of the account.

#include <cstdint>
#include <functional>
#include <optional>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/executor.hpp"

namespace imapfs::imap {

enum class CompressionMode : std::uint8_t { automatic, yes, no };

class CompressionChoice {
 public:
  /// In bytes per second of what is transferred, before it is compressed. A transfer that gets more is left alone.
  static constexpr double fast_enough = 20e6;
  /// So long the other way's measurement counts against a transfer that is fast enough: the link may be another by
  /// then, but trying costs.
  static constexpr SteadyClock::duration remembered_for = std::chrono::minutes(10);
  using Now = std::function<SteadyClock::time_point()>;

  /// `remembered`: what wanted() was in an earlier process.
  explicit CompressionChoice(
      CompressionMode mode, std::optional<bool> remembered = std::nullopt, Now now = [] { return SteadyClock::now(); });

  /// Whether a connection is to be compressed from now on.
  [[nodiscard]] bool wanted() const;
  /// A bulk transfer on a connection that is `compressed`, or not, got so many bytes per second, and the daemon was not
  /// what held it up.
  void measured(bool compressed, double bytes_per_second);

 private:
  struct Measurement {
    double rate = 0;
    SteadyClock::time_point when;
  };
  struct State {
    bool wanted = false;
    std::optional<Measurement> plain;
    std::optional<Measurement> compressed;
  };

  const CompressionMode mode_;
  const Now now_;
  Guarded<State> state_;
};

}  // namespace imapfs::imap
