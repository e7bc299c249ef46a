#pragma once
// The views of a Filesystem and which of them answers for a node. A new view is registered here.

#include "imapfs/vfs/filesystem.hpp"
#include "vfs/operations/name_lookup.hpp"
#include "vfs/operations/pending_moves.hpp"
#include "vfs/operations/remove_operation.hpp"
#include "vfs/operations/rename_operation.hpp"
#include "vfs/staging/linked_names.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/account_root.hpp"
#include "vfs/views/by_uid.hpp"
#include "vfs/views/control.hpp"
#include "vfs/views/deleted.hpp"
#include "vfs/views/directory_listing.hpp"
#include "vfs/views/local_directory.hpp"
#include "vfs/views/mailbox.hpp"
#include "vfs/views/message.hpp"
#include "vfs/views/outbox.hpp"
#include "vfs/views/staged.hpp"

namespace imapfs::vfs {

struct Filesystem::Views {
  Views(sync::Account& account, ChangePublisher& publisher, const Settings& settings, sync::Outbox* staged_rows)
      : staging(staged_rows && !settings.read_only ? std::make_unique<Staging>(Staging::Dependencies{
                                                         account, publisher, settings, entries, *staged_rows})
                                                   : nullptr),
        context{account, settings, publisher.interest(), entries, staging.get()}, staged(context),
        outbox(context, staged), control(context, publisher.events(), outbox), root(context, control), mailbox(context),
        message(context, publisher), deleted(context), by_uid(context), local_directory(context), named(context),
        arrivals(context, publisher), removal(context, named, message), renaming(context, named, arrivals, message) {}

  [[nodiscard]] View* find(const DecodedNode& meaning) {
    switch (meaning.kind) {
      case NodeKind::fixed:
        if (meaning.index == static_cast<std::uint32_t>(FixedNode::root)) return &root;
        if (meaning.index == static_cast<std::uint32_t>(FixedNode::outbox)) return &outbox;
        return &control;
      case NodeKind::mailbox: return &mailbox;
      case NodeKind::message: return &message;
      case NodeKind::search:
      case NodeKind::text:
      case NodeKind::parts: break;
      case NodeKind::deleted: return &deleted;
      case NodeKind::staged: return &staged;
      case NodeKind::by_uid: return &by_uid;
      case NodeKind::local_directory: return &local_directory;
    }
    return nullptr;
  }

  LocalEntries entries;
  std::unique_ptr<Staging> staging;  ///< null where nothing can be written
  const ViewContext context;
  StagedView staged;
  OutboxView outbox;
  ControlView control;
  AccountRootView root;
  MailboxView mailbox;
  MessageView message;
  DeletedView deleted;
  ByUidView by_uid;
  LocalDirectoryView local_directory;
  // What operations on names share.
  NameLookup named;
  PendingMoves arrivals;
  RemoveOperation removal;
  RenameOperation renaming;
  LinkedNames linked;
};

struct Filesystem::Target {
  View* view;
  Node node;
};

/// A message that is to be changed.
struct Filesystem::Message : Staging::Original {};

}  // namespace imapfs::vfs
