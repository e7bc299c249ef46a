#pragma once
// A message as a regular file: the exact octets of BODY.PEEK[], and its properties as extended attributes.

#include <functional>

#include "../directory_listing.hpp"
#include "../open_bodies.hpp"
#include "imapfs/vfs/view.hpp"

namespace imapfs::vfs {

class MessageView : public View {
 public:
  explicit MessageView(const ViewContext& context) : context_(context) {}

  /// An expunged message that is still open keeps its attributes, with no links.
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override { return mailbox_node(node.meaning.mailbox); }
  /// Completes when the exact length is known, so that nobody reads up to a size the server made up.
  void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) override;
  void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) override;
  void release(const Node& node, HandleId handle) override;
  void forget(const Node& node) override;
  void xattr(const Node& node, const std::string& name, Reply<std::string> reply) override;
  [[nodiscard]] std::vector<std::string> xattr_names(const Node& node) const override;

 private:
  [[nodiscard]] std::optional<MessageMeta> meta_in_memory(const Node& node) const;
  [[nodiscard]] UidValidity validity(const Node& node) const;
  [[nodiscard]] std::optional<Entry> entry_of(const Node& node, const MessageMeta& meta) const;
  void with_meta(const Node& node, Completion<MessageMeta> done);
  void opened(const Node& node, std::optional<MessageMeta> before, const std::shared_ptr<sync::Body>& body,
              Reply<OpenResult> reply);
  void reopen(const Node& node, const ReadRequest& request, Reply<ReadResult> reply);

  const ViewContext context_;
  OpenBodies bodies_;
  PushedBodies pushed_;
};

}  // namespace imapfs::vfs
