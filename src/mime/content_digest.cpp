#include "imapfs/mime/content_digest.hpp"

#include <glib.h>

namespace imapfs::mime {

struct ContentDigest::State {
  std::unique_ptr<GChecksum, decltype(&g_checksum_free)> checksum{g_checksum_new(G_CHECKSUM_SHA256), &g_checksum_free};
};

ContentDigest::ContentDigest() : state_(std::make_unique<State>()) {}

ContentDigest::~ContentDigest() = default;

void ContentDigest::take(std::span<const char> octets) {
  g_checksum_update(state_->checksum.get(), reinterpret_cast<const guchar*>(octets.data()),
                    static_cast<gssize>(octets.size()));
}

std::string ContentDigest::finish() { return g_checksum_get_string(state_->checksum.get()); }

}  // namespace imapfs::mime
