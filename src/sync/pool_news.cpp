#include "sync/pool_news.hpp"

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {

imap::UntaggedListener* PoolNews::on_session_opened(imap::Session& session) {
  dependencies_.server.note_traits(session);
  auto listeners = listeners_.lock();
  auto& listener = (*listeners)[&session];
  if (!listener) listener = std::make_unique<PoolSessionListener>(of_sessions_, session);
  return listener.get();
}

void PoolNews::on_online(bool online, const std::string& reason) {
  telemetry::info("{}: {}", online ? "online" : "offline", telemetry::printable(reason));
  dependencies_.listener.on_online(online, reason);
  if (dependencies_.changes != nullptr) dependencies_.changes->on_online(online);
  if (!online) return;
  dependencies_.tree_sync.list_if_outdated();
  dependencies_.watchers.tick_soon();
}

void PoolNews::on_connection_doubted() { dependencies_.watchers.ask(); }

}  // namespace imapfs::sync
