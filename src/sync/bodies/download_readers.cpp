#include "sync/bodies/download_readers.hpp"

#include <algorithm>

namespace imapfs::sync {
namespace {

constexpr std::uint64_t granule = 64 << 10;  ///< of ranges for random reads

std::uint64_t align_down(std::uint64_t offset) { return offset / granule * granule; }

}  // namespace

void DownloadReaders::wait_to_open(OpenDone done, ByteSpan wanted) { openers_.push_back({std::move(done), wanted}); }

void DownloadReaders::wait_to_read(ByteSpan span, const ReadStream& stream, ReadDone done) {
  readers_.push_back({span, stream.window(), std::move(done)});
}

std::optional<ByteSpan> DownloadReaders::first_unasked(const ReceivedBody& body, const ByteRanges& asked,
                                                       ByteSpan span) {
  while (const auto gap = body.first_gap(span)) {
    if (const auto rest = asked.first_gap(*gap)) return rest;
    span.begin = gap->end;
  }
  return std::nullopt;
}

std::optional<ByteSpan> DownloadReaders::next_range(const ReceivedBody& body, const ByteRanges& asked) const {
  const auto length = body.proved_length();
  if (!length || !body.by_ranges()) return std::nullopt;
  for (const auto& reader : readers_) {
    const auto gap = first_unasked(body, asked, reader.span);
    if (gap) return first_unasked(body, asked, shape(*gap, reader, body, *length));
  }
  for (const auto* stream : streams_) {
    const auto window = stream->window();
    if (window == 0) continue;
    // A second range is asked for while the first comes.
    const auto reach = asked.empty() ? window : 2 * window;
    const auto gap = first_unasked(body, asked, {stream->position(), std::min(*length, stream->position() + reach)});
    if (gap) return first_unasked(body, asked, {gap->begin, std::min(*length, gap->begin + window)});
  }
  return std::nullopt;
}

ByteSpan DownloadReaders::shape(ByteSpan gap, const Reader& reader, const ReceivedBody& body, std::uint64_t length) {
  auto begin = gap.begin;
  auto end = std::max(reader.span.end, begin + reader.window);
  if (reader.window == 0) {
    begin = std::max(align_down(begin), body.gap_start(begin));
    end = align_down(end + granule - 1);
  }
  end = std::min({end, length, begin + ReadStream::largest_window});
  return body.first_gap({begin, end}).value_or(gap);
}

DownloadReaders::Answered DownloadReaders::take_answered(ReceivedBody& body) {
  Answered answered;
  const auto length = body.proved_length();
  std::erase_if(readers_, [&](Reader& reader) {
    if (length) reader.span = reader.span.up_to(*length);
    auto slice = body.slice(reader.span);
    if (!slice) return false;
    answered.reads.emplace_back(std::move(*slice), std::move(reader.done));
    return true;
  });
  std::erase_if(openers_, [&](Opener& opener) {
    if (!length && !body.can_answer(opener.wanted)) return false;
    answered.opens.push_back(std::move(opener.done));
    return true;
  });
  return answered;
}

DownloadReaders::Waiting DownloadReaders::take_all() {
  Waiting waiting;
  for (auto& opener : std::exchange(openers_, {})) waiting.opens.push_back(std::move(opener.done));
  for (auto& reader : std::exchange(readers_, {})) waiting.reads.push_back(std::move(reader.done));
  return waiting;
}

}  // namespace imapfs::sync
