#pragma once
// A message as a regular file: the exact octets of BODY.PEEK[], and its properties as extended attributes.

#include <functional>

#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/view.hpp"
#include "vfs/views/directory_listing.hpp"
#include "vfs/views/open_bodies.hpp"

namespace imapfs::vfs {

class MessageView : public View {
 public:
  /// `publisher` outlives this.
  MessageView(const ViewContext& context, ChangePublisher& publisher) : context_(context), publisher_(publisher) {}

  /// An expunged message that is still open keeps its attributes, with no links.
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override { return mailbox_node(node.meaning.mailbox); }
  /// Fetches nothing that can wait for a read (Account::open_can_wait): `cp` within the mount opens what it never
  /// reads. Else completes when the exact length is known, so that nobody reads up to a size the server made up. The
  /// READs of an open that has fetched nothing see to that themselves: those that touch the end wait for the exact
  /// length.
  void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) override;
  void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) override;
  void release(const Node& node, HandleId handle) override;
  void forget(const Node& node) override;
  void xattr(const Node& node, const std::string& name, Reply<std::string> reply) override;
  [[nodiscard]] std::vector<std::string> xattr_names(const Node& node) const override;

  /// Before the message goes from its place: completes when what readers have begun to read of it is here as a whole,
  /// or cannot be, or is more than max_kept_for_readers.
  void keep_readable(NodeId node, Job done);
  /// Before it goes for good: the same also for what is open and was not read yet.
  void keep_open(NodeId node, Job done);
  static constexpr std::uint64_t max_kept_for_readers = std::uint64_t{256} << 20;

 private:
  using Place = std::optional<MessageLocation>;
  using OpenDone = Completion<std::shared_ptr<sync::Body>>;
  [[nodiscard]] std::optional<MessageMeta> meta_in_memory(const Node& node) const;
  [[nodiscard]] UidValidity validity(const Node& node) const;
  [[nodiscard]] std::optional<Entry> entry_of(const Node& node, const MessageMeta& meta) const;
  [[nodiscard]] std::optional<MessageMeta> local_meta(const Node& node) const;
  [[nodiscard]] bool is_pending(const Node& node) const;
  void with_meta(const Node& node, Completion<MessageMeta> done);
  void with_new_place(const Node& node, std::function<void(Place)> done);
  [[nodiscard]] OpenDone or_at_new_place(const Node& node, OpenDone done);
  void open_body(const Node& node, OpenDone done);
  void read_at_new_place(const Node& node, const ReadRequest& request, const Error& gone, Reply<ReadResult> reply);
  void opened_unread(const Node& node, const MessageMeta& meta, const Reply<OpenResult>& reply);
  void read_unread(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& unproved,
                   const ReadRequest& request, Reply<ReadResult> reply);
  void read_unproved(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& body,
                     const ReadRequest& request, Reply<ReadResult> reply);
  void read_first(const OpenBodies::Unread& unread, const ReadRequest& request, Reply<ReadResult> reply);
  [[nodiscard]] bool take_first(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& body);
  void opened(const Node& node, std::optional<MessageMeta> before, const std::shared_ptr<sync::Body>& body,
              Reply<OpenResult> reply);
  void reopen(const Node& node, const ReadRequest& request, Reply<ReadResult> reply);

  const ViewContext context_;
  ChangePublisher& publisher_;
  OpenBodies bodies_;
  PushedBodies pushed_;
};

}  // namespace imapfs::vfs
