#include "vfs/news/event_log.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

std::string line_of(nlohmann::ordered_json event) {
  // Names come from mail and server: whatever is not UTF-8 is replaced rather than thrown at.
  return event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

nlohmann::ordered_json stamped() { return {{"time", rfc3339_milliseconds(std::chrono::system_clock::now())}}; }

}  // namespace

EventLog::Reader& EventLog::State::reader(HandleId id) {
  return readers.try_emplace(id, Reader{end(), {}, {}}).first->second;
}

bool EventLog::State::has_line(const Reader& reader) const { return !reader.unfinished.empty() || reader.next < end(); }

std::string EventLog::State::take(Reader& reader, std::size_t size) {
  std::string text = std::move(reader.unfinished);
  reader.unfinished.clear();
  // Lines were lost since the last read. The rest of a line that was begun comes first, on its own.
  const bool overflowed = reader.next < first;
  if (overflowed && text.empty()) {
    reader.next = first;
    auto event = stamped();
    event["event"] = "overflow";
    text = line_of(std::move(event));
  }
  while (reader.next >= first && reader.next < end() && text.size() < size) {
    const std::string& line = lines[static_cast<std::size_t>(reader.next - first)];
    if (!text.empty() && text.size() + line.size() > size) break;
    text += line;
    ++reader.next;
  }
  if (text.size() > size) {
    reader.unfinished = text.substr(size);
    text.resize(size);
  }
  return text;
}

void EventLog::append(const nlohmann::json& event) {
  auto stamp = stamped();
  for (const auto& [key, value] : event.items()) stamp[key] = value;
  std::string line = line_of(std::move(stamp));

  std::vector<std::pair<Reply<std::string>, std::string>> answers;
  std::vector<std::function<void()>> wakes;
  state_.with_lock([&](State& state) {
    state.lines.push_back(std::move(line));
    if (state.lines.size() > capacity_) {
      state.lines.pop_front();
      ++state.first;
    }
    // Two reads of one reader: the line goes to the first, the second keeps waiting.
    std::vector<Waiting> still_waiting;
    for (auto& waiting : state.waiting) {
      auto& reader = state.reader(waiting.read.reader);
      if (state.has_line(reader)) {
        answers.emplace_back(std::move(waiting.reply), state.take(reader, waiting.read.size));
      } else {
        still_waiting.push_back(std::move(waiting));
      }
    }
    state.waiting = std::move(still_waiting);
    for (auto& [id, reader] : state.readers) {
      if (reader.wake && state.has_line(reader)) wakes.push_back(std::exchange(reader.wake, {}));
    }
  });
  for (auto& [reply, text] : answers) reply(std::move(text));
  for (auto& wake : wakes) wake();
}

void EventLog::open(HandleId reader) {
  state_.with_lock([&](State& state) { state.reader(reader); });
}

void EventLog::close(HandleId reader) {
  std::vector<Waiting> orphans;
  std::function<void()> wake;  // destroyed outside the lock
  state_.with_lock([&](State& state) {
    const auto rest = std::stable_partition(state.waiting.begin(), state.waiting.end(),
                                            [&](const Waiting& waiting) { return waiting.read.reader != reader; });
    std::move(rest, state.waiting.end(), std::back_inserter(orphans));
    state.waiting.erase(rest, state.waiting.end());
    if (auto node = state.readers.extract(reader)) wake = std::move(node.mapped().wake);
  });
  for (auto& orphan : orphans) orphan.reply(fail(EBADF, "the events file was closed"));
}

void EventLog::read(const Read& read, Reply<std::string> reply) {
  if (read.size == 0) return reply(std::string());
  Result<std::string> answer;
  const bool waits = state_.with_lock([&](State& state) {
    auto& reader = state.reader(read.reader);
    if (state.has_line(reader)) {
      answer = state.take(reader, read.size);
    } else if (state.closed) {
      answer = fail(ENODEV, "the mount is going away");
    } else if (!read.wait) {
      answer = fail(EAGAIN, "no event yet");
    } else if (state.waiting.size() >= max_waiting) {
      answer = fail(EAGAIN, "more than {} reads wait for events", max_waiting);
    } else {
      state.waiting.push_back({read, std::move(reply)});
      return true;
    }
    return false;
  });
  if (!waits) reply(std::move(answer));
}

bool EventLog::cancel(RequestId request) {
  if (request == 0) return false;
  Reply<std::string> reply;
  state_.with_lock([&](State& state) {
    const auto found = std::find_if(state.waiting.begin(), state.waiting.end(),
                                    [&](const Waiting& waiting) { return waiting.read.request == request; });
    if (found == state.waiting.end()) return;
    reply = std::move(found->reply);
    state.waiting.erase(found);
  });
  if (!reply) return false;
  reply(fail(EINTR, "interrupted while waiting for an event"));
  return true;
}

bool EventLog::poll(HandleId reader, std::function<void()> wake) {
  return state_.with_lock([&](State& state) {
    auto& entry = state.reader(reader);
    if (state.has_line(entry) || state.closed) return true;
    // Swapped, so that the replaced one is destroyed with the parameter, outside the lock.
    if (wake) entry.wake.swap(wake);
    return false;
  });
}

void EventLog::shut_down() {
  std::vector<Waiting> waiting;
  std::vector<std::function<void()>> wakes;
  state_.with_lock([&](State& state) {
    state.closed = true;
    waiting = std::exchange(state.waiting, {});
    for (auto& [id, reader] : state.readers) {
      if (reader.wake) wakes.push_back(std::exchange(reader.wake, {}));
    }
  });
  for (auto& entry : waiting) entry.reply(fail(ENODEV, "the mount is going away"));
  for (auto& wake : wakes) wake();
}

}  // namespace imapfs::vfs
