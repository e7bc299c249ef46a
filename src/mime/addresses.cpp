// Address fields (RFC 5322 §3.4) by GMime. Fields that GMime cannot parse are read by hand.

#include "mime/addresses.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <array>
#include <memory>

#include "imapfs/mime/header_decode.hpp"
#include "mime/encoded_words.hpp"
#include "mime/field_text.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

/// The limit of colons in a field: GMime enters groups recursively, one level per colon.
constexpr std::ptrdiff_t max_colons = 64;

struct Unref {
  void operator()(InternetAddressList* list) const { g_object_unref(list); }
};
using AddressList = std::unique_ptr<InternetAddressList, Unref>;

struct Mailbox {
  std::string name;
  std::string address;
};

std::string_view with_few_colons(std::string_view line) {
  std::ptrdiff_t colons = 0;
  const auto end = std::find_if(line.begin(), line.end(),
                                [&](char letter) { return letter == ':' && ++colons > max_colons; });
  return line.substr(0, static_cast<std::size_t>(end - line.begin()));
}

/// GMime 3.2 leaks a domain literal that is followed by an unfinished comment ("a@[127.0.0.1]("). Quotes have no
/// meaning within a literal, so any '(' after its '[' counts.
bool has_literal_and_comment(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && line[i] == '[') {
      return line.find('(', i) != std::string_view::npos;
    }
  }
  return false;
}

/// Null if GMime cannot parse the field or must not be asked.
AddressList parse(std::string_view line) {
  if (has_literal_and_comment(line)) return nullptr;
  initialise_mime();
  return AddressList(internet_address_list_parse(nullptr, with_padding(std::string(with_few_colons(line))).c_str()));
}

/// Text without '@', or an encoded word in the place of an address ("=?utf-8?Q?Anna_=3Ca=40b=3E?="), is a name.
bool is_address(std::string_view text) { return text.find('@') != std::string_view::npos && !text.starts_with("=?"); }

Mailbox mailbox_of(InternetAddress* address) {
  const auto text = [](const char* value) { return std::string(value ? value : ""); };
  Mailbox mailbox{shown(text(internet_address_get_name(address))), {}};
  std::string raw = text(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)));
  if (is_address(raw)) {
    mailbox.address = shown(raw);
  } else if (mailbox.name.empty()) {
    mailbox.name = decode_text(raw);
  }
  return mailbox;
}

/// Calls `visit` for each mailbox, also within groups, until it returns false. with_few_colons() bounds the depth.
template <class Visitor>
bool visit_mailboxes(InternetAddressList* list, const Visitor& visit) {
  if (!list) return true;
  for (int i = 0; i < internet_address_list_length(list); ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      if (!visit_mailboxes(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), visit)) return false;
    } else if (INTERNET_ADDRESS_IS_MAILBOX(address)) {
      if (!visit(mailbox_of(address))) return false;
    }
  }
  return true;
}

/// For fields that GMime refuses ("Anna [x] <a@b>"): the text in the first angle brackets, if it is an address.
std::string bracketed_address(std::string_view line) {
  const auto open = line.find('<');
  if (open == std::string_view::npos) return {};
  const auto close = line.find('>', open);
  if (close == std::string_view::npos) return {};
  const auto inner = line.substr(open + 1, close - open - 1);
  return is_address(inner) && inner.find(' ') == std::string_view::npos ? shown(inner) : std::string();
}

/// RFC 5322 §3.2.3 atext and the dot.
constexpr std::array<bool, 256> atom_characters = [] {
  std::array<bool, 256> atoms{};
  for (const char letter :
       std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.")) {
    atoms[static_cast<unsigned char>(letter)] = true;
  }
  return atoms;
}();

bool is_atom(char letter) { return atom_characters[static_cast<unsigned char>(letter)]; }

/// A name before an address: atoms (encoded words are atoms), or one quoted string without escapes. with_few_colons()
/// counts the colons.
bool is_plain_phrase(std::string_view phrase) {
  const auto is_phrase = [](char letter) { return is_atom(letter) || letter == ' '; };
  const auto is_quoted = [](char letter) {
    return letter >= ' ' && letter < 0x7f && letter != '"' && letter != '\\' && letter != ':';
  };
  if (!phrase.starts_with('"')) return std::all_of(phrase.begin(), phrase.end(), is_phrase);
  phrase.remove_prefix(1);
  while (phrase.ends_with(' ')) phrase.remove_suffix(1);
  if (!phrase.ends_with('"')) return false;
  phrase.remove_suffix(1);
  return std::all_of(phrase.begin(), phrase.end(), is_quoted);
}

}  // namespace

std::string_view plain_address(std::string_view line) {
  if (const auto open = line.rfind('<'); open != std::string_view::npos) {
    if (!line.ends_with('>') || !is_plain_phrase(line.substr(0, open))) return {};
    line = line.substr(open + 1, line.size() - open - 2);
  }
  if (line.find("=?") != std::string_view::npos || line.find("xn--") != std::string_view::npos) return {};
  const auto at = line.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == line.size()) return {};
  const auto domain = line.substr(at + 1);
  // GMime repairs domains with misplaced dots.
  const bool odd_dots = domain.starts_with('.') || domain.ends_with('.') || domain.find("..") != std::string_view::npos;
  const bool plain = std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(at), is_atom) &&
                     std::all_of(domain.begin(), domain.end(), is_atom) && !odd_dots;
  return plain ? line : std::string_view();
}

namespace {

std::string to_string(const Mailbox& mailbox) {
  if (mailbox.name.empty()) return mailbox.address;
  const bool needs_quotes = mailbox.name.find_first_of(",;:<>@\"") != std::string::npos;
  std::string text;
  if (needs_quotes) {
    text += '"';
    for (const char letter : mailbox.name) {
      if (letter == '"' || letter == '\\') text += '\\';
      text += letter;
    }
    text += '"';
  } else {
    text = mailbox.name;
  }
  if (!mailbox.address.empty()) text += " <" + mailbox.address + ">";
  return text;
}

}  // namespace

std::string first_address(std::string_view raw_value) {
  const std::string line = unfolded(raw_value);
  const auto plain = plain_address(line);
  return plain.empty() ? parsed_address(line) : std::string(plain);
}

std::string parsed_address(const std::string& line) {
  std::string address;
  std::string name;
  const AddressList list = parse(line);
  visit_mailboxes(list.get(), [&](const Mailbox& mailbox) {
    address = mailbox.address;
    if (name.empty()) name = mailbox.name;
    return address.empty();
  });
  if (address.empty() && !list) address = bracketed_address(line);
  if (!address.empty()) return address;
  // "<>" is the address of nobody (RFC 5321 §4.5.5).
  return list || line == "<>" ? name : decode_text(line);
}

std::string decode_addresses(std::string_view raw_value) {
  const std::string line = unfolded(raw_value);
  std::string text;
  const AddressList list = parse(line);
  visit_mailboxes(list.get(), [&](const Mailbox& mailbox) {
    const std::string entry = to_string(mailbox);
    if (!entry.empty()) text += (text.empty() ? "" : ", ") + entry;
    return true;
  });
  return list || line == "<>" ? text : decode_text(line);
}

}  // namespace imapfs::mime
