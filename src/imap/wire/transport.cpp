#include "imap/wire/transport.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "imap/wire/deflate_codec.hpp"
#include "imap/wire/transfer_meter.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t compressed_chunk = 16384;

/// Inflating text that was never compressed gives arbitrary bytes; these can begin a response.
bool may_begin_response(char first) {
  return first == '*' || first == '+' || (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
}

}  // namespace

Transport::Transport(std::unique_ptr<net::ByteStream> stream) : stream_(std::move(stream)) {}
Transport::~Transport() = default;

Result<void> Transport::outlast_silence(const CallContext& context) {
  const auto began = SteadyClock::now();
  for (auto turn = began + silence_watch_.every; turn < context.deadline; turn += silence_watch_.every) {
    const auto ready = stream_->wait_readable({context.stop, turn});
    if (ready || ready.error().errnum != ETIMEDOUT) break;  // read() reports what happened
    const auto silent = SteadyClock::now() - began;
    if (!silence_watch_.gives_up(silent, changing_)) continue;
    return fail(ETIMEDOUT, Scope::session, Retry::now, "no answer for {} s",
                std::chrono::duration_cast<std::chrono::seconds>(silent).count());
  }
  return {};
}

Result<std::size_t> Transport::read_stream(std::span<char> buffer, const CallContext& context) {
  // A server that never stops sending must not prolong the deadline.
  if (auto alive = context.check(); !alive) {
    auto error = std::move(alive).error();
    error.scope = Scope::session;
    return fail(std::move(error));
  }
  const auto asked = SteadyClock::now();
  if (silence_watch_.gives_up) IMAPFS_TRY(outlast_silence(context));
  auto got = stream_->read(buffer, context);
  waited_ += SteadyClock::now() - asked;
  if (!got) {
    auto error = std::move(got).error();
    error.scope = Scope::session;
    if (error.errnum != ETIMEDOUT && error.errnum != EINTR && error.retry == Retry::never) error.retry = Retry::now;
    return fail(std::move(error));
  }
  if (*got == 0) return fail(EHOSTUNREACH, Scope::session, Retry::now, "connection closed by server");
  telemetry::counters().imap_bytes_in.fetch_add(*got, std::memory_order_relaxed);
  return *got;
}

Result<std::size_t> Transport::read(std::span<char> buffer, const CallContext& context) {
  waited_ = {};
  auto got = read_plain(buffer, context);
  if (got && meter_ != nullptr) meter_->read(*got, waited_, SteadyClock::now());
  return got;
}

/// As the server wrote it, before it was compressed.
Result<std::size_t> Transport::read_plain(std::span<char> buffer, const CallContext& context) {
  if (!codec_) return read_stream(buffer, context);
  if (!ahead_.empty()) {
    const auto count = std::min(buffer.size(), ahead_.size());
    std::copy_n(ahead_.begin(), count, buffer.begin());
    ahead_.erase(0, count);
    return count;
  }
  while (true) {
    const auto plain = IMAPFS_TRY(decompress(buffer));
    if (plain > 0) return plain;
    std::array<char, compressed_chunk> raw;
    codec_->feed({raw.data(), IMAPFS_TRY(read_compressed(raw, context))});
  }
}

Result<void> Transport::write(std::string_view bytes, const CallContext& context) {
  Result<void> written;
  if (codec_) {
    const auto compressed = IMAPFS_TRY(codec_->compress(bytes));
    telemetry::counters().imap_bytes_out.fetch_add(compressed.size(), std::memory_order_relaxed);
    written = stream_->write({compressed.data(), compressed.size()}, context);
  } else {
    telemetry::counters().imap_bytes_out.fetch_add(bytes.size(), std::memory_order_relaxed);
    written = stream_->write({bytes.data(), bytes.size()}, context);
  }
  if (written) return {};
  auto error = std::move(written).error();
  if (codec_ && !proved_ && error.errnum != EINTR) compression_is_broken();
  error.scope = Scope::session;
  if (error.errnum != ETIMEDOUT && error.errnum != EINTR && error.retry == Retry::never) error.retry = Retry::now;
  return fail(std::move(error));
}

Result<void> Transport::wait_readable(const CallContext& context) {
  if (!codec_) return stream_->wait_readable(context);
  // The codec may hold a whole response or only the start of a block: only inflating tells.
  while (ahead_.empty()) {
    std::array<char, compressed_chunk> bytes;
    const auto plain = IMAPFS_TRY(decompress(bytes));
    if (plain > 0) {
      ahead_.assign(bytes.data(), plain);
      break;
    }
    IMAPFS_TRY(stream_->wait_readable(context));
    codec_->feed({bytes.data(), IMAPFS_TRY(read_compressed(bytes, context))});
  }
  return {};
}

Result<std::size_t> Transport::decompress(std::span<char> buffer) {
  auto plain = codec_->decompress(buffer);
  if (plain && *plain == 0) return plain;
  const bool sense = plain && (proved_ || may_begin_response(buffer.front()));
  if (!sense) compression_is_broken();
  if (plain && !sense) return fail(EIO, Scope::session, Retry::now, "what the server sends is not compressed");
  proved_ = true;
  return plain;
}

/// If the connection ends, or the server stays silent, before any compressed data has come, compression gets the blame.
Result<std::size_t> Transport::read_compressed(std::span<char> buffer, const CallContext& context) {
  auto got = read_stream(buffer, context);
  if (!got && !proved_ && got.error().errnum != EINTR) compression_is_broken();
  return got;
}

void Transport::compression_is_broken() {
  if (on_damage_) std::exchange(on_damage_, nullptr)();
}

Result<void> Transport::start_compression(std::string_view already_read, std::function<void()> on_damage) {
  auto codec = std::make_unique<DeflateCodec>();
  if (!codec->valid()) return fail(ENOMEM, Scope::session, Retry::now, "cannot start compression");
  codec->feed(already_read);
  codec_ = std::move(codec);
  on_damage_ = std::move(on_damage);
  return {};
}

std::string Transport::description() const {
  if (!stream_) return "closed";
  return codec_ ? stream_->description() + " DEFLATE" : stream_->description();
}

}  // namespace imapfs::imap
