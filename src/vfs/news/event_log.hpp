#pragma once
// The lines of /.imapfs/events: a bounded ring, and readers that each start at "now" and wait for the next line.
//
// A reader that falls more than `capacity` lines behind gets one line {"event":"overflow"} and goes on with the oldest
// line still held. A read gives as many whole lines as fit; a line longer than the buffer is given in pieces.
// Thread-safe; completions and wake-ups run with no lock held, on the thread that appended, cancelled or closed.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class EventLog {
 public:
  static constexpr std::size_t default_capacity = 4096;
  /// Reads that may wait at once; more get EAGAIN.
  static constexpr std::size_t max_waiting = 1024;

  explicit EventLog(std::size_t capacity = default_capacity) : capacity_(capacity) {}

  /// `event` without "time", which is added.
  void append(const nlohmann::json& event);

  void open(HandleId reader);
  void close(HandleId reader);

  struct Read {
    HandleId reader = 0;  ///< one never opened starts at "now" (a handle of an earlier process)
    std::size_t size = 0;
    bool wait = true;  ///< false: EAGAIN when there is no line
    RequestId request = 0;
  };
  void read(const Read& read, Reply<std::string> reply);
  /// Ends a waiting read with EINTR; no line is lost. False if no read of that request waits.
  bool cancel(RequestId request);
  /// Whether a line is there. If not, `wake` (may be empty) is called once when one comes; a later `wake` of the same
  /// reader replaces it.
  bool poll(HandleId reader, std::function<void()> wake);
  /// Ends every waiting read with ENODEV, and all later ones.
  void shut_down();

 private:
  struct Reader {
    std::uint64_t next = 0;  ///< sequence number of the next line
    std::string unfinished;  ///< rest of a line that did not fit
    std::function<void()> wake;
  };
  struct Waiting {
    Read read;
    Reply<std::string> reply;
  };
  struct State {
    std::deque<std::string> lines;
    std::uint64_t first = 0;  ///< sequence number of lines.front()
    std::map<HandleId, Reader> readers;
    std::vector<Waiting> waiting;
    bool closed = false;

    [[nodiscard]] std::uint64_t end() const { return first + lines.size(); }
    Reader& reader(HandleId id);
    [[nodiscard]] bool has_line(const Reader& reader) const;
    std::string take(Reader& reader, std::size_t size);
  };

  const std::size_t capacity_;
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
