#include "vfs/news/held_attributes.hpp"

namespace imapfs::vfs {

void HeldAttributes::hold(NodeId node) {
  held_.with_lock([&](auto& held) { ++held[node].holders; });
}

bool HeldAttributes::release(NodeId node) {
  return held_.with_lock([&](auto& held) {
    const auto found = held.find(node);
    if (found == held.end() || --found->second.holders > 0) return false;
    const bool news = found->second.news;
    held.erase(found);
    return news;
  });
}

bool HeldAttributes::keep_news(NodeId node) {
  return held_.with_lock([&](auto& held) {
    const auto found = held.find(node);
    if (found == held.end()) return false;
    found->second.news = true;
    return true;
  });
}

}  // namespace imapfs::vfs
