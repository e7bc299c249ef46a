#include "vfs/views/view.hpp"

namespace imapfs::vfs {

void View::lookup(const Caller&, const Node&, const std::string&, Reply<Entry> reply) {
  reply(fail(ENOTDIR, "not a directory"));
}

void View::open(const Caller&, const Node&, int, Reply<OpenResult> reply) { reply(fail(EISDIR, "a directory")); }

void View::read(const Caller&, const Node&, const ReadRequest&, Reply<ReadResult> reply) {
  reply(fail(EISDIR, "a directory"));
}

void View::release(const Node&, HandleId) {}

void View::forget(const Node&) {}

bool View::poll(const Node&, HandleId, std::function<void()>) { return true; }

void View::open_directory(const Caller&, const Node&, Reply<OpenDirectoryResult> reply) {
  reply(fail(ENOTDIR, "not a directory"));
}

void View::list(const Caller&, const Node&, const ListRequest&, Reply<DirectoryPage> reply) {
  reply(fail(ENOTDIR, "not a directory"));
}

void View::xattr(const Node&, const std::string& name, Reply<std::string> reply) {
  reply(fail(ENODATA, "no attribute {}", name));
}

std::vector<std::string> View::xattr_names(const Node&) const { return {}; }

}  // namespace imapfs::vfs
