#pragma once
// The thread "store": everything that uses SQLite runs there, in the order posted.
//
// The queue is short, so that a fast server is slowed down to the speed of the disk. post() waits for room. apply()
// with rows also waits until all but a few megabytes of earlier rows have been written (never on the store's own
// thread). snapshot() answers from memory.

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/serial_queue.hpp"
#include "imapfs/store/metadata_store.hpp"

namespace imapfs::sync {

class StoreWriter {
 public:
  using StoreJob = std::function<void(store::MetadataStore&)>;

  explicit StoreWriter(std::unique_ptr<store::MetadataStore> metadata);
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  /// Drops the job after close().
  void post(StoreJob job);
  /// False if there is no room: for threads that must not wait.
  [[nodiscard]] bool try_post(StoreJob job);
  void apply(store::MetadataStore::Batch batch);
  /// The store itself; only for the start, before the first post().
  [[nodiscard]] store::MetadataStore& direct() { return *metadata_; }
  void drain();
  void close();

  /// As the thread saw it last.
  struct Snapshot {
    store::MetadataStore::Usage usage;
    bool disabled = false;
    std::string last_error;
  };
  [[nodiscard]] Snapshot snapshot() const;

 private:
  /// The bytes of rows that wait to be written. Each batch takes its own and gives them back when it is destroyed,
  /// written or not.
  class Backlog {
   public:
    void take(std::size_t bytes, bool wait);
    void give_back(std::size_t bytes);

   private:
    std::mutex mutex_;
    std::condition_variable less_;
    std::size_t bytes_ = 0;
  };

  void run(const StoreJob& job);
  void look();

  Backlog backlog_;  ///< outlives the jobs of worker_
  std::unique_ptr<store::MetadataStore> metadata_;
  Guarded<Snapshot> snapshot_;
  SteadyClock::time_point measured_;  ///< store thread only
  SerialQueue queue_;
};

}  // namespace imapfs::sync
