#pragma once
// /.imapfs: what the daemon says about itself. Sizes are 0 and reads go past the page cache, as in /proc.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "imapfs/base/concurrency.hpp"
#include "vfs/news/event_log.hpp"
#include "vfs/views/directory_listing.hpp"
#include "vfs/views/outbox.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

class ControlView : public View {
 public:
  /// `events` and `outbox` outlive the view. There is an outbox only where files can be written.
  ControlView(const ViewDependencies& dependencies, EventLog& events, const OutboxView& outbox);

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override;
  /// status, requests and config are snapshots taken here; events starts here.
  void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) override;
  void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) override;
  void release(const Node& node, HandleId handle) override;
  bool poll(const Node& node, HandleId handle, std::function<void()> wake) override;
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;

 private:
  [[nodiscard]] Entry entry_of(FixedNode node) const;
  void with_snapshot(FixedNode node, std::function<void(std::string)> then) const;
  [[nodiscard]] std::string snapshot(FixedNode node) const;
  [[nodiscard]] std::string snapshot(FixedNode node, const nlohmann::json& staged) const;

  const ViewDependencies dependencies_;
  EventLog& events_;
  const OutboxView& outbox_;
  const Timestamp mounted_;
  std::atomic<HandleId> next_handle_;
  Guarded<std::map<HandleId, std::shared_ptr<const std::string>>> snapshots_;
};

}  // namespace imapfs::vfs
