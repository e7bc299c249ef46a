#pragma once
// What the announcer is answered when it makes, in the name of the server, a change that the server has already made
// (announcements.hpp). Every other caller sees the truth.
//
// Any thread; replies with no lock held.

#include <optional>
#include <string>

#include "imapfs/vfs/announcements.hpp"
#include "vfs/views/node_views.hpp"

namespace imapfs::vfs {

class AnnouncedChanges {
 public:
  /// All outlive this.
  AnnouncedChanges(sync::Account& account, const Settings& settings, NodeViews& views)
      : account_(account), settings_(settings), views_(views) {}

  Announcements::Id begin(Announcement announcement) { return standing_.begin(std::move(announcement)); }
  void end(Announcements::Id id) { standing_.end(id); }

  /// What stands for the name or the node; nothing for other callers than the announcer.
  [[nodiscard]] std::optional<Announcement> find(const Caller& caller, NodeId parent, const std::string& name) const;
  [[nodiscard]] std::optional<Announcement> find(const Caller& caller, NodeId node) const;
  /// The announcement that allows the announcer this change.
  [[nodiscard]] std::optional<Announcement> find_change(const Caller& caller, NodeId parent, const std::string& name,
                                                        Announcement::Kind kind, bool directory) const;
  /// The truth about its node; for one that is gone, what it was.
  void entry(const Announcement& announcement, Reply<Entry> reply) const;

 private:
  [[nodiscard]] Entry entry_of_removed(NodeId node) const;

  sync::Account& account_;
  const Settings& settings_;
  NodeViews& views_;
  Announcements standing_;
};

}  // namespace imapfs::vfs
