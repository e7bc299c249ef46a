#pragma once
// The bytes of one IMAP connection: the net::ByteStream, and COMPRESS=DEFLATE (RFC 4978) on top.
//
// Counts what passes in telemetry. Errors are the stream's (scope session); the end of the stream is an error too, with
// Retry::now, because IMAP never ends in the middle of a dialogue. One thread at a time; owns the stream.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "imapfs/imap/session.hpp"
#include "imapfs/net/byte_stream.hpp"

namespace imapfs::imap {

class DeflateCodec;
class TransferMeter;

class Transport {
 public:
  explicit Transport(std::unique_ptr<net::ByteStream> stream);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Reads at least one byte.
  Result<std::size_t> read(std::span<char> buffer, const CallContext& context);
  Result<void> write(std::string_view bytes, const CallContext& context);
  /// Waits until read() has something. ETIMEDOUT and EINTR leave the connection usable.
  Result<void> wait_readable(const CallContext& context);
  /// Asked by read() while nothing comes.
  void set_silence_watch(SilenceWatch watch) { silence_watch_ = std::move(watch); }
  /// What the watch is told of the command that waits.
  void set_changing(bool changing) { changing_ = changing; }

  /// Gives the stream away, for STARTTLS; only the destructor may follow.
  [[nodiscard]] std::unique_ptr<net::ByteStream> take_stream() { return std::move(stream_); }
  /// From here on both directions are raw DEFLATE. `already_read` is what was read beyond the tagged OK. `on_damage` is
  /// called, once, when what comes is none, or the connection ends before anything has come so.
  Result<void> start_compression(std::string_view already_read, std::function<void()> on_damage);

  [[nodiscard]] bool compressed() const { return codec_ != nullptr; }
  /// What read() gets is measured by it; null: no more.
  void set_meter(TransferMeter* meter) { meter_ = meter; }

  [[nodiscard]] std::string description() const;

 private:
  /// Returns when there is something to read, or the watch gives up.
  Result<void> outlast_silence(const CallContext& context);
  Result<std::size_t> read_stream(std::span<char> buffer, const CallContext& context);
  Result<std::size_t> read_plain(std::span<char> buffer, const CallContext& context);
  Result<std::size_t> decompress(std::span<char> buffer);
  Result<std::size_t> read_compressed(std::span<char> buffer, const CallContext& context);
  void compression_is_broken();

  std::unique_ptr<net::ByteStream> stream_;
  std::unique_ptr<DeflateCodec> codec_;
  std::function<void()> on_damage_;
  bool proved_ = false;  ///< something has come compressed
  TransferMeter* meter_ = nullptr;
  SteadyClock::duration waited_{};  ///< for the stream, in the read that runs
  SilenceWatch silence_watch_;
  bool changing_ = false;
  std::string ahead_;  ///< decompressed by wait_readable(), not yet read
};

}  // namespace imapfs::imap
