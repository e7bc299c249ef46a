#include "vfs/operations/writable.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t max_name = 255;

}  // namespace

Result<void> check_writable(const Staging* staging, const char* operation) {
  if (staging) return {};
  return fail(EROFS, "the mount is read-only: {}", operation);
}

Result<void> check_name(const std::string& name) {
  if (name.size() > max_name) return fail(ENAMETOOLONG, "a name of {} bytes", name.size());
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    return fail(ENOENT, "not a name");
  }
  return {};
}

bool is_mail(NodeId node) {
  const auto decoded = decode_node(node);
  return decoded && (decoded->kind == NodeKind::message || decoded->kind == NodeKind::staged);
}

Error not_writable() { return Error{EACCES, Scope::request, Retry::never, "this file cannot be written"}; }

}  // namespace imapfs::vfs
