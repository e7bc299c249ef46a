#pragma once
// Reading messages: opens, READs and closes, and which bytes readers are promised when a message is about to go.
//
// An open that would have to fetch fetches nothing: `cp` within the mount opens what it never reads. It tells the
// kernel the size that the table shows, which a server may have made up, and so its first READs see to the truth. Those
// that touch the end wait for the exact length; the others are answered when their bytes are there. As long as the
// length is not proved, news of the size is held back: see HeldAttributes.
//
// Any thread; never blocks, holds no lock while it replies.

#include <memory>
#include <optional>

#include "vfs/news/kernel_publisher.hpp"
#include "vfs/nodes/node_meaning.hpp"
#include "vfs/views/message_bodies.hpp"
#include "vfs/views/message_metadata.hpp"
#include "vfs/views/open_bodies.hpp"
#include "vfs/views/pushed_bodies.hpp"

namespace imapfs::vfs {

class MessageReader {
 public:
  static constexpr std::uint64_t max_kept_for_readers = std::uint64_t{256} << 20;

  /// All outlive this.
  MessageReader(const Settings& settings, const MessageMetadata& metadata, MessageBodies& bodies,
                KernelPublisher& kernel)
      : settings_(settings), metadata_(metadata), bodies_(bodies), kernel_(kernel) {}

  /// Without a body where fetching can wait for a READ (BodyReader::can_wait()). Else completes when the exact length
  /// is known, so that nobody reads up to a size that the server made up.
  void open(const Node& node, Reply<OpenResult> reply);
  void read(const Node& node, const ReadRequest& request, Reply<ReadResult> reply);
  void release(NodeId node, HandleId handle);
  /// The kernel forgot the node and its pages.
  void forget(NodeId node) { pushed_.forget(node); }
  /// The message as it was when it was opened, if it is open.
  [[nodiscard]] std::optional<Entry> entry_when_opened(NodeId node) const { return open_.find_entry(node); }

  /// Before the message goes from its place: completes when what readers have begun to read of it is here as a whole,
  /// or cannot be, or is more than max_kept_for_readers.
  void keep_readable(NodeId node, Job done);
  /// Before it goes for good: the same also for what is open and was not read yet.
  void keep_open(NodeId node, Job done);

 private:
  using BodyPtr = std::shared_ptr<sync::Body>;
  using Unread = OpenBodies::Unread;

  [[nodiscard]] OpenResult open_result(const Node& node) const;
  void open_unread(const Node& node, const MessageMeta& meta, const Reply<OpenResult>& reply);
  void opened(const Node& node, std::optional<MessageMeta> before, const BodyPtr& body, Reply<OpenResult> reply);
  void push(const Node& node, const BodyPtr& body, OpenResult result, Reply<OpenResult> reply);

  void read_known(const Node& node, const BodyPtr& body, const ReadRequest& request, Reply<ReadResult> reply);
  void read_unread(const Unread& unread, const ReadRequest& request, Reply<ReadResult> reply);
  void read_unproved(const Unread& unread, const BodyPtr& body, const ReadRequest& request, Reply<ReadResult> reply);
  void read_until_proved(const Unread& unread, const BodyPtr& body, const ReadRequest& request,
                         Reply<ReadResult> reply);
  void reopen(const Node& node, const ReadRequest& request, Reply<ReadResult> reply);
  [[nodiscard]] MessageBodies::Opened for_reader(const Node& node, HandleId handle, const Reply<ReadResult>& reply,
                                                 std::function<void(const BodyPtr&)> then) const;
  [[nodiscard]] Result<void> check_uid_validity(const Node& node, HandleId handle) const;
  [[nodiscard]] bool prove_length(const Unread& unread, const BodyPtr& body);

  const Settings& settings_;
  const MessageMetadata& metadata_;
  MessageBodies& bodies_;
  KernelPublisher& kernel_;
  OpenBodies open_;
  PushedBodies pushed_;
};

}  // namespace imapfs::vfs
