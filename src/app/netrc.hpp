#pragma once
// ~/.netrc as ftp(1), curl and fetchmail read it: machine, default, login, password, account, macdef; values may be
// quoted.

#include <optional>
#include <string>
#include <string_view>

namespace imapfs::app {

/// The password for `user` at `host`: of the first entry for the host whose login is `user` or absent, else of the
/// default entry on the same terms.
std::optional<std::string> find_in_netrc(std::string_view content, std::string_view host, std::string_view user);

}  // namespace imapfs::app
