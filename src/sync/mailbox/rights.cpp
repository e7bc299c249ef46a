#include "sync/mailbox/rights.hpp"

namespace imapfs::sync {
namespace {

/// RFC 4314 §2.1. Servers of RFC 2086 send only `c` and `d` for rights that have letters of their own since; others
/// send both.
void apply(MailboxRights& rights, const std::string& letters) {
  const auto has = [&](char letter) { return letters.find(letter) != std::string::npos; };
  const bool old_letters = letters.find_first_of("kxtea") == std::string::npos;
  rights.insert = has('i');
  rights.remove_messages = has('t') || (old_letters && has('d'));
  rights.expunge = has('e') || (old_letters && has('d'));
  rights.write_flags = has('w');
  rights.write_seen = has('s');
  rights.create_children = has('k') || (old_letters && has('c'));
  // RFC 4314 §2.1.1 lets the server choose which of the two includes it.
  rights.delete_mailbox = has('x') || (old_letters && (has('c') || has('d')));
}

bool same(const MailboxRights& a, const MailboxRights& b) {
  return a.read_only == b.read_only && a.insert == b.insert && a.remove_messages == b.remove_messages &&
         a.expunge == b.expunge && a.write_flags == b.write_flags && a.write_seen == b.write_seen &&
         a.create_children == b.create_children && a.delete_mailbox == b.delete_mailbox &&
         a.permanent_flags == b.permanent_flags && a.create_keywords == b.create_keywords;
}

MailboxRights combine(const std::optional<std::string>& my_rights,
                      const std::optional<imap::SelectedMailbox>& selection) {
  MailboxRights rights;
  if (my_rights) apply(rights, *my_rights);
  if (!selection) return rights;
  rights.read_only = selection->read_only;
  // RFC 9051 §7.1: without PERMANENTFLAGS all flags are permanent.
  if (selection->permanent_flags == FlagSet{} && !selection->may_create_keywords) return rights;
  rights.permanent_flags = selection->permanent_flags;
  rights.create_keywords = selection->may_create_keywords;
  return rights;
}

}  // namespace

MailboxRights Rights::current() const {
  const auto lock = news_.lock();
  return combine(my_rights_, selection_);
}

bool Rights::wanted() const {
  const auto lock = news_.lock();
  return !asked_;
}

void Rights::note(const std::optional<std::string>& my_rights) {
  const auto lock = news_.lock();
  const auto before = combine(my_rights_, selection_);
  my_rights_ = my_rights;
  asked_ = true;
  note_change(before);
}

void Rights::note_selection(const imap::SelectedMailbox& selected) {
  const auto lock = news_.lock();
  const auto before = combine(my_rights_, selection_);
  selection_ = selected;
  note_change(before);
}

void Rights::doubt() {
  const auto lock = news_.lock();
  asked_ = false;
}

void Rights::note_change(const MailboxRights& before) {
  if (!same(before, combine(my_rights_, selection_))) news_.change().rights_changed = true;
}

}  // namespace imapfs::sync
