#include "imap/wire/deflate_codec.hpp"

#include <algorithm>
#include <limits>

#define ZLIB_CONST
#include <zlib.h>

namespace imapfs::imap {
namespace {

constexpr int raw_window_bits = -15;  // RFC 4978 §4: no zlib header
constexpr int memory_level = 8;
constexpr std::size_t output_step = 16384;

const Bytef* input_pointer(const char* text) { return reinterpret_cast<const Bytef*>(text); }

uInt clamp(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
}

}  // namespace

struct DeflateCodec::Streams {
  z_stream out{};
  z_stream in{};
  bool out_ready = false;
  bool in_ready = false;

  Streams() {
    out_ready = deflateInit2(&out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, raw_window_bits, memory_level,
                             Z_DEFAULT_STRATEGY) == Z_OK;
    in_ready = inflateInit2(&in, raw_window_bits) == Z_OK;
  }
  ~Streams() {
    if (out_ready) deflateEnd(&out);
    if (in_ready) inflateEnd(&in);
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;
};

DeflateCodec::DeflateCodec() : streams_(std::make_unique<Streams>()) {}
DeflateCodec::~DeflateCodec() = default;

bool DeflateCodec::valid() const { return streams_->out_ready && streams_->in_ready; }

Result<std::string> DeflateCodec::compress(std::string_view plain) {
  std::string result;
  auto& stream = streams_->out;
  stream.next_in = input_pointer(plain.data());
  stream.avail_in = clamp(plain.size());
  do {
    const auto used = result.size();
    result.resize(used + output_step);
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + used);
    stream.avail_out = output_step;
    const int outcome = deflate(&stream, Z_SYNC_FLUSH);
    result.resize(used + output_step - stream.avail_out);
    if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
      return fail(EIO, Scope::session, Retry::now, "cannot compress: zlib error {}", outcome);
    }
  } while (stream.avail_out == 0 || stream.avail_in != 0);
  return result;
}

void DeflateCodec::feed(std::string_view compressed) {
  input_.assign(compressed);
  streams_->in.next_in = input_pointer(input_.data());
  streams_->in.avail_in = clamp(input_.size());
}

Result<std::size_t> DeflateCodec::decompress(std::span<char> buffer) {
  auto& stream = streams_->in;
  stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
  stream.avail_out = clamp(buffer.size());
  const auto room = stream.avail_out;
  const int outcome = inflate(&stream, Z_SYNC_FLUSH);
  const std::size_t got = room - stream.avail_out;
  if (outcome == Z_OK || outcome == Z_BUF_ERROR || (outcome == Z_STREAM_END && got > 0)) return got;
  if (outcome == Z_STREAM_END) {
    return fail(EHOSTUNREACH, Scope::session, Retry::now, "connection closed by server (end of compressed stream)");
  }
  return fail(EIO, Scope::session, Retry::now, "the server's compressed data is corrupt");
}

}  // namespace imapfs::imap
