#pragma once
// Who waits for a download: those who open the message, those who read it, and the Bodies that may read on.
//
// Says which range should come next. Not thread-safe: Download locks. Takes the ReceivedBody's lock.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "sync/bodies/read_stream.hpp"
#include "sync/bodies/received_body.hpp"

namespace imapfs::sync {

class DownloadReaders {
 public:
  using OpenDone = Completion<std::shared_ptr<Body>>;
  using ReadDone = Completion<BodySlice>;

  /// Until the length is proved or the bytes `wanted` are there.
  void wait_to_open(OpenDone done, ByteSpan wanted);
  void wait_to_read(ByteSpan span, const ReadStream& stream, ReadDone done);
  void add(ReadStream* stream) { streams_.insert(stream); }
  void remove(ReadStream* stream) { streams_.erase(stream); }

  [[nodiscard]] bool has_bodies() const { return !streams_.empty(); }
  [[nodiscard]] bool somebody_opens() const { return !openers_.empty(); }
  [[nodiscard]] bool somebody_waits() const { return !openers_.empty() || !readers_.empty(); }

  /// What to fetch next of a body that comes in ranges and whose length is proved, beside what was `asked` for and has
  /// not come; none: nothing that anybody reads.
  [[nodiscard]] std::optional<ByteSpan> next_range(const ReceivedBody& body, const ByteRanges& asked) const;

  struct Answered {
    std::vector<OpenDone> opens;
    std::vector<std::pair<BodySlice, ReadDone>> reads;
  };
  /// Those who need wait no more.
  [[nodiscard]] Answered take_answered(ReceivedBody& body);
  struct Waiting {
    std::vector<OpenDone> opens;
    std::vector<ReadDone> reads;
  };
  [[nodiscard]] Waiting take_all();

 private:
  struct Opener {
    OpenDone done;
    ByteSpan wanted;
  };
  struct Reader {
    ByteSpan span;
    std::uint64_t window;
    ReadDone done;
  };

  [[nodiscard]] static ByteSpan shape(ByteSpan gap, const Reader& reader, const ReceivedBody& body,
                                      std::uint64_t length);
  /// The first run of bytes in `span` that have neither come nor been asked for.
  [[nodiscard]] static std::optional<ByteSpan> first_unasked(const ReceivedBody& body, const ByteRanges& asked,
                                                             ByteSpan span);

  std::vector<Opener> openers_;
  std::vector<Reader> readers_;
  std::set<ReadStream*> streams_;
};

}  // namespace imapfs::sync
