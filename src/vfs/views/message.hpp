#pragma once
// A message as a regular file: the exact bytes of BODY.PEEK[], and its properties as extended attributes.
//
// Any thread; never blocks, holds no lock while it replies.

#include "vfs/views/message_bodies.hpp"
#include "vfs/views/message_metadata.hpp"
#include "vfs/views/message_reader.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

class MessageView : public View {
 public:
  /// `kernel` outlives this.
  MessageView(const ViewDependencies& dependencies, KernelPublisher& kernel);

  /// An expunged message that is still open keeps its attributes, with no links.
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node& node) const override;
  void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) override;
  void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) override;
  void release(const Node& node, HandleId handle) override;
  void forget(const Node& node) override;
  void xattr(const Node& node, const std::string& name, Reply<std::string> reply) override;
  [[nodiscard]] std::vector<std::string> xattr_names(const Node& node) const override;

  [[nodiscard]] MessageReader& reader() { return reader_; }

 private:
  sync::Account& account_;
  const MessageMetadata metadata_;
  MessageBodies bodies_;
  MessageReader reader_;
};

}  // namespace imapfs::vfs
