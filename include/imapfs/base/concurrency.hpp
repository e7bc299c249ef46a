#pragma once
// Small building blocks for shared state: a lock that owns its data, a merger of equal requests, and a bounded queue.
// Every type is safe to use from any thread. Only Guarded::with_lock calls user code while it holds its lock: that code
// must not reply to the kernel, notify it, do IMAP or disk I/O, or take a lock that src/README.md does not order after
// this one.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

namespace imapfs {

/// Data that can be reached only while its mutex is held.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  /// Keeps the mutex locked for as long as it lives.
  class Lock {
   public:
    T* operator->() { return value_; }
    T& operator*() { return *value_; }

   private:
    friend class Guarded;
    Lock(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  [[nodiscard]] Lock lock() { return Lock(mutex_, value_); }

  template <class Function>
  decltype(auto) with_lock(Function&& function) {
    std::lock_guard guard(mutex_);
    return std::forward<Function>(function)(value_);
  }
  template <class Function>
  decltype(auto) with_lock(Function&& function) const {
    std::lock_guard guard(mutex_);
    return std::forward<Function>(function)(static_cast<const T&>(value_));
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

/// Merges concurrent requests for the same key into one piece of work. join() keeps the completion and returns true for
/// the caller that must start the work. Whoever finishes the work drops its locks, calls finish(), and calls the
/// completions that it returns (the starter's is among them).
template <class Key, class Completion>
class SingleFlight {
 public:
  [[nodiscard]] bool join(const Key& key, Completion completion) {
    std::lock_guard guard(mutex_);
    auto& waiting = flights_[key];
    waiting.push_back(std::move(completion));
    return waiting.size() == 1;
  }

  [[nodiscard]] std::vector<Completion> finish(const Key& key) {
    std::lock_guard guard(mutex_);
    auto node = flights_.extract(key);
    if (node.empty()) return {};
    return std::move(node.mapped());
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::vector<Completion>> flights_;
};

/// A first-in first-out queue that never holds more than `capacity` items.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  /// Returns false, and leaves `item` alone, when the queue is full or closed.
  [[nodiscard]] bool try_push(T&& item) {
    {
      std::lock_guard guard(mutex_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return true;
  }

  /// Waits for room. Returns false when the queue was closed or a stop was requested.
  [[nodiscard]] bool push(T&& item, const std::stop_token& stop) {
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, stop, [&] { return closed_ || items_.size() < capacity_; });
      if (closed_ || stop.stop_requested()) return false;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return true;
  }

  /// Waits for an item. Returns nothing when the queue is closed and empty, or when a stop was requested while it was
  /// open.
  [[nodiscard]] std::optional<T> pop(const std::stop_token& stop) {
    std::optional<T> item;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, stop, [&] { return closed_ || !items_.empty(); });
      if (items_.empty() || (stop.stop_requested() && !closed_)) return std::nullopt;
      item.emplace(std::move(items_.front()));
      items_.pop_front();
    }
    room_.notify_one();
    return item;
  }

  /// No push succeeds any more; items in the queue can still be popped.
  void close() {
    {
      std::lock_guard guard(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
    room_.notify_all();
  }

  [[nodiscard]] std::size_t size() const {
    std::lock_guard guard(mutex_);
    return items_.size();
  }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable_any ready_;
  std::condition_variable_any room_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace imapfs
