#pragma once
// A kernel that writes down what it is told. For tests of one thread.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "imapfs/vfs/kernel_notifier.hpp"

namespace imapfs::vfs {

/// Writes down what the kernel would be told, one line per call.
class RecordingNotifier : public KernelNotifier {
 public:
  void entry_added(const EntryChange& change) override { write("added", change); }
  void entry_removed(const EntryChange& change) override { write("removed", change); }
  void attributes_changed(NodeId node) override { calls.push_back(fmt::format("attributes {:#x}", node.value)); }
  void directory_changed(NodeId node) override { calls.push_back(fmt::format("directory {:#x}", node.value)); }
  void directory_forgotten(const EntryChange& change) override { write("forgotten", change); }

  std::vector<std::string> calls;
  std::vector<EntryChange> changes;

 private:
  void write(const char* what, const EntryChange& change) {
    calls.push_back(fmt::format("{} {}|{}{}{}", what, change.directory, change.name, change.is_directory ? "/" : "",
                                change.announce ? " announce" : ""));
    changes.push_back(change);
  }
};

}  // namespace imapfs::vfs
