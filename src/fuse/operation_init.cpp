// The connection's settings that came out best in measurements; what each costs or gains is said beside it.
#include "fuse/operations.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

/// What the kernel and libfuse 3.14 can carry in one WRITE.
constexpr unsigned max_write = 1 << 20;

void want(fuse_conn_info& connection, unsigned capability, bool wanted) {
  if (wanted) connection.want |= connection.capable & capability;
  else connection.want &= ~capability;
}

}  // namespace

void operation_init(void* context, fuse_conn_info* connection) {
  const auto& settings = *static_cast<const OperationContext*>(context);
  want(*connection, FUSE_CAP_READDIRPLUS, true);
  want(*connection, FUSE_CAP_READDIRPLUS_AUTO, false);  // `find -size` would send a LOOKUP per file
  want(*connection, FUSE_CAP_SPLICE_WRITE, true);       // from the body cache's file: 15-25 % faster than pread
  want(*connection, FUSE_CAP_SPLICE_MOVE, false);       // slower than copying
  want(*connection, FUSE_CAP_ASYNC_READ, false);        // a READ names its reader: its death is seen
  want(*connection, FUSE_CAP_AUTO_INVAL_DATA, false);   // a body never changes
  want(*connection, FUSE_CAP_WRITEBACK_CACHE, false);   // a flush must find every byte here; times are ours
  want(*connection, FUSE_CAP_ATOMIC_O_TRUNC, false);    // open(O_TRUNC) is OPEN, then SETATTR: one way to truncate
  want(*connection, FUSE_CAP_HANDLE_KILLPRIV, true);    // no file has a set-user-ID bit: no SETATTR before writes
  want(*connection, FUSE_CAP_POSIX_ACL, false);         // else the first `ls -l` sends a GETXATTR per file
  want(*connection, FUSE_CAP_EXPORT_SUPPORT, true);     // node ids mean the same after a remount
  want(*connection, FUSE_CAP_PARALLEL_DIROPS, true);
  connection->max_write = std::min(connection->max_write, max_write);
  connection->max_background = 256;
  connection->congestion_threshold = 192;
  connection->max_readahead = std::min(connection->max_readahead, settings.max_readahead);
  connection->time_gran = 1;
  telemetry::debug("kernel speaks FUSE {}.{}", connection->proto_major, connection->proto_minor);
}

}  // namespace imapfs::fuse
