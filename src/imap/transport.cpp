#include "imapfs/imap/transport.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/deflate_codec.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t compressed_chunk = 16384;

}  // namespace

Transport::Transport(std::unique_ptr<net::ByteStream> stream) : stream_(std::move(stream)) {}
Transport::~Transport() = default;

Result<void> Transport::outlast_silence(const CallContext& context) {
  const auto began = SteadyClock::now();
  for (auto turn = began + silence_watch_.every; turn < context.deadline; turn += silence_watch_.every) {
    const auto ready = stream_->wait_readable({context.stop, turn});
    if (ready || ready.error().errnum != ETIMEDOUT) break;  // read() says what there is
    const auto silent = SteadyClock::now() - began;
    if (!silence_watch_.gives_up(silent, changing_)) continue;
    return fail(ETIMEDOUT, Scope::session, Retry::now, "no answer for {} s",
                std::chrono::duration_cast<std::chrono::seconds>(silent).count());
  }
  return {};
}

Result<std::size_t> Transport::read_stream(std::span<char> buffer, const CallContext& context) {
  // A server that never stops sending must not outlive the deadline.
  if (auto alive = context.check(); !alive) {
    auto error = std::move(alive).error();
    error.scope = Scope::session;
    return fail(std::move(error));
  }
  if (silence_watch_.gives_up) IMAPFS_TRY(outlast_silence(context));
  auto got = stream_->read(buffer, context);
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
  if (!codec_) return read_stream(buffer, context);
  if (!ahead_.empty()) {
    const auto count = std::min(buffer.size(), ahead_.size());
    std::copy_n(ahead_.begin(), count, buffer.begin());
    ahead_.erase(0, count);
    return count;
  }
  while (true) {
    const auto plain = IMAPFS_TRY(codec_->decompress(buffer));
    if (plain > 0) return plain;
    std::array<char, compressed_chunk> raw;
    const auto got = IMAPFS_TRY(read_stream(raw, context));
    codec_->feed({raw.data(), got});
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
  error.scope = Scope::session;
  if (error.errnum != ETIMEDOUT && error.errnum != EINTR && error.retry == Retry::never) error.retry = Retry::now;
  return fail(std::move(error));
}

Result<void> Transport::wait_readable(const CallContext& context) {
  if (!codec_) return stream_->wait_readable(context);
  // What the codec holds may be a whole response, or only the start of a block: only inflating it tells.
  while (ahead_.empty()) {
    std::array<char, compressed_chunk> bytes;
    const auto plain = IMAPFS_TRY(codec_->decompress(bytes));
    if (plain > 0) {
      ahead_.assign(bytes.data(), plain);
      break;
    }
    IMAPFS_TRY(stream_->wait_readable(context));
    const auto got = IMAPFS_TRY(read_stream(bytes, context));
    codec_->feed({bytes.data(), got});
  }
  return {};
}

Result<void> Transport::start_tls(const std::string& host, const net::TlsSettings& settings,
                                  const CallContext& context) {
  stream_ = IMAPFS_TRY(net::start_tls(std::move(stream_), host, settings, context));
  return {};
}

Result<void> Transport::start_compression(std::string_view already_read) {
  auto codec = std::make_unique<DeflateCodec>();
  if (!codec->valid()) return fail(ENOMEM, Scope::session, Retry::now, "cannot start compression");
  codec->feed(already_read);
  codec_ = std::move(codec);
  return {};
}

std::string Transport::description() const {
  if (!stream_) return "closed";
  return codec_ ? stream_->description() + " DEFLATE" : stream_->description();
}

}  // namespace imapfs::imap
