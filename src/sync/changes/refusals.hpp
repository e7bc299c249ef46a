#pragma once
// Promises that could not be kept: everybody who can hear it is told.
//
// report() is for the thread "journal"; count() for any. One lock, a leaf, in ChangeWaiters.

#include <atomic>
#include <cstdint>
#include <functional>

#include "sync/changes/change_waiters.hpp"

namespace imapfs::sync {

class Refusals {
 public:
  struct Dependencies {
    ChangeListener& listener;
    const Locations& locations;
    ChangeWaiters& waiters;
    /// The server has refused what its rights seemed to allow.
    std::function<void(const MailboxPointer&)> ask_rights;
  };
  explicit Refusals(Dependencies dependencies);

  /// `pending` was refused. One whose user still waits for the word is counted only: he will hear it.
  void report(const PendingChange& pending, const Error& error);
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  void ask_rights(const store::JournalChange& change) const;

  const Dependencies dependencies_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace imapfs::sync
