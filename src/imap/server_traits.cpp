#include "imapfs/imap/server_traits.hpp"

#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "imap/wire/response_reader.hpp"

namespace imapfs::imap {
namespace {

/// One row per quirk: its name, the patterns of servers that have it, and the capabilities that it makes unusable ("X="
/// with any value). A pattern matches if the greeting or "name vendor" of ID contains it, in any case, or if it is a
/// capability. Empty patterns never match.
struct QuirkRow {
  Quirk quirk;
  std::string_view name;
  std::array<std::string_view, 5> patterns;
  std::array<std::string_view, 2> capabilities;
};

constexpr std::array<QuirkRow, quirk_count> quirk_table = {{
    // iCloud sends malformed VANISHED and no ENABLED; WorkMail's QRESYNC answers are wrong.
    {Quirk::no_qresync, "no-qresync", {"iCloud", "Apple", "XAPPLEPUSHSERVICE", "WorkMail"}, {"QRESYNC"}},
    {Quirk::no_condstore, "no-condstore", {}, {"CONDSTORE", "QRESYNC"}},
    // Old Exchange returns empty or damaged parts.
    {Quirk::no_partial, "no-partial", {"Exchange Server 2003", "Exchange Server 2007"}, {}},
    // Exchange rejects RETURN although advertised; Courier does not advertise it.
    {Quirk::no_list_return, "no-list-return", {"Courier-IMAP", "Exchange"}, {"LIST-STATUS", "LIST-EXTENDED"}},
    {Quirk::no_move, "no-move", {"yahoo.co.jp"}, {"MOVE"}},
    {Quirk::no_idle, "no-idle", {}, {"IDLE"}},
    {Quirk::no_notify, "no-notify", {}, {"NOTIFY"}},
    {Quirk::wrong_sizes, "wrong-sizes", {"Gimap", "X-GM-EXT-1", "Exchange", "hMailServer", "WildDuck"}, {}},
    // Yahoo fails on more than about 2,000 messages in one FETCH.
    {Quirk::small_fetch_sets, "small-fetch-sets", {"Yahoo", "IMAP4rev1 imapgate", "aol.com"}, {}},
    // 163, 126, 188 and yeah.net answer SELECT with "Unsafe Login" until they have seen ID.
    {Quirk::id_before_select, "id-before-select", {"Coremail", "163.com", "126.com", "yeah.net"}, {}},
    {Quirk::needs_utf8_accept, "needs-utf8-accept", {}, {}},
    {Quirk::no_acl, "no-acl", {}, {"ACL"}},
    {Quirk::no_appendlimit, "no-appendlimit", {}, {"APPENDLIMIT="}},
    {Quirk::no_auth_login, "no-auth-login", {}, {"AUTH=LOGIN"}},
    {Quirk::no_auth_plain, "no-auth-plain", {}, {"AUTH=PLAIN"}},
    {Quirk::no_auth_scram, "no-auth-scram", {}, {"AUTH=SCRAM-SHA-256"}},
    {Quirk::no_compress, "no-compress", {}, {"COMPRESS=DEFLATE"}},
    {Quirk::no_enable, "no-enable", {}, {"ENABLE"}},
    {Quirk::no_esearch, "no-esearch", {}, {"ESEARCH"}},
    {Quirk::no_id, "no-id", {}, {"ID"}},
    {Quirk::no_literal_plus, "no-literal-plus", {}, {"LITERAL+", "LITERAL-"}},
    {Quirk::no_namespace, "no-namespace", {}, {"NAMESPACE"}},
    {Quirk::no_quota, "no-quota", {}, {"QUOTA"}},
    {Quirk::no_special_use, "no-special-use", {}, {"SPECIAL-USE"}},
    {Quirk::no_status_size, "no-status-size", {}, {"STATUS=SIZE"}},
    {Quirk::no_uidplus, "no-uidplus", {}, {"UIDPLUS"}},
    {Quirk::no_unselect, "no-unselect", {}, {"UNSELECT"}},
    {Quirk::no_utf8_accept, "no-utf8-accept", {}, {"UTF8=ACCEPT", "UTF8=ONLY"}},
}};

const QuirkRow& row_of(Quirk quirk) {
  return *std::find_if(quirk_table.begin(), quirk_table.end(), [&](const auto& row) { return row.quirk == quirk; });
}

std::string value_of(const IdFields& id, const std::string& key) {
  const auto found = id.find(key);
  return found == id.end() ? std::string() : found->second;
}

}  // namespace

std::string_view to_string(Quirk quirk) { return row_of(quirk).name; }

std::optional<Quirk> quirk_from_string(std::string_view name) {
  for (const auto& row : quirk_table) {
    if (row.name == name) return row.quirk;
  }
  return std::nullopt;
}

Result<QuirkOverrides> QuirkOverrides::parse(std::string_view text) {
  QuirkOverrides overrides;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto word = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (word.empty()) continue;
    const bool remove = word.front() == '-';
    const auto quirk = word.front() == '+' || remove ? quirk_from_string(word.substr(1)) : std::nullopt;
    if (!quirk) {
      std::vector<std::string_view> known;
      for (const auto& row : quirk_table) known.push_back(row.name);
      return fail(EINVAL, "unknown quirk \"{}\": write +NAME or -NAME with one of {}", word, fmt::join(known, ", "));
    }
    (remove ? overrides.remove : overrides.add).insert(*quirk);
  }
  return overrides;
}

ServerTraits make_traits(std::string greeting, Capabilities capabilities, IdFields id,
                         const QuirkOverrides& overrides) {
  ServerTraits traits{std::move(greeting), std::move(capabilities), std::move(id), {}};
  const auto seen = upper(traits.greeting) + '\n' + upper(value_of(traits.id, "name")) + '\n' +
                    upper(value_of(traits.id, "vendor"));
  for (const auto& row : quirk_table) {
    const bool shown = std::any_of(row.patterns.begin(), row.patterns.end(), [&](std::string_view pattern) {
      const auto wanted = upper(pattern);
      return !wanted.empty() && (seen.find(wanted) != std::string::npos || traits.capabilities.has(wanted));
    });
    if ((shown || overrides.add.contains(row.quirk)) && !overrides.remove.contains(row.quirk)) {
      traits.quirks.insert(row.quirk);
    }
  }
  for (const auto quirk : traits.quirks) {
    for (const auto capability : row_of(quirk).capabilities) {
      if (!capability.empty()) traits.capabilities.remove(capability);
    }
  }
  return traits;
}

void LearnedQuirks::add(const Quirks& quirks) {
  quirks_.with_lock([&](Quirks& known) { known.insert(quirks.begin(), quirks.end()); });
}

Quirks LearnedQuirks::all() const {
  return quirks_.with_lock([](const Quirks& known) { return known; });
}

}  // namespace imapfs::imap
