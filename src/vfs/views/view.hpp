#pragma once
// One way to show the account's content as files. A view answers for the nodes of its kind; NodeViews finds it, and
// Filesystem has checked names, callers and access modes before it asks.
//
// To add a view (search, text, parts): take a NodeKind and a NodeMeaning::Kind, write src/vfs/views/<name>.{hpp,cpp},
// let its parent's lookup give out its nodes, and register it in NodeViews. Methods that a view has no use for keep
// their default, an error. Thread-safe, never blocks, holds no lock while it replies.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/vfs/types.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class View {
 public:
  virtual ~View() = default;

  /// ENOENT when there is no such name. Never asked for "." and "..".
  virtual void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply);
  /// The node itself, with its attributes. ENOENT when it is gone.
  virtual void entry(const Node& node, Reply<Entry> reply) = 0;
  [[nodiscard]] virtual NodeId parent(const Node& node) const = 0;

  virtual void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply);
  virtual void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply);
  virtual void release(const Node& node, HandleId handle);
  /// The kernel forgot the node and its pages.
  virtual void forget(const Node& node);
  /// Whether a read can be served now; if not, `wake` is called once when it can.
  virtual bool poll(const Node& node, HandleId handle, std::function<void()> wake);

  virtual void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply);
  virtual void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply);

  /// `name` with its "user." prefix. ENODATA for what the node does not have.
  virtual void xattr(const Node& node, const std::string& name, Reply<std::string> reply);
  [[nodiscard]] virtual std::vector<std::string> xattr_names(const Node& node) const;
};

}  // namespace imapfs::vfs
