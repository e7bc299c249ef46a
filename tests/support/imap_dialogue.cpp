#include "imap_dialogue.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "imap_syntax.hpp"

namespace imapfs::testing {
namespace {

/// The length of the literal that a line announces at its end, and the line without that.
std::optional<std::size_t> take_literal(std::string& line, bool& waits) {
  const auto open = line.rfind('{');
  if (open == std::string::npos || line.back() != '}') return std::nullopt;
  const auto length = std::stoul(line.substr(open + 1));
  waits = line[line.size() - 2] != '+';
  line.erase(open);
  return length;
}

}  // namespace

std::string imap_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string imap_list(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return '(' + text + ')';
}

ImapDialogue::ImapDialogue(ImapStream& stream, ImapAccount& account, ImapLog& log, int number)
    : stream_(stream), account_(account), log_(log), number_(number), woken_(::eventfd(0, EFD_CLOEXEC)) {
  account_.wake_by(woken_);
}

ImapDialogue::~ImapDialogue() {
  account_.no_longer(woken_);
  ::close(woken_);
}

// -- what is asked --

std::optional<ImapCommand> ImapDialogue::next_command() {
  auto text = line();
  if (!text) return std::nullopt;
  log_.add(number_, *text);
  ImapCommand command;
  const auto take_word = [&] {
    const auto end = std::min(text->find(' '), text->size());
    auto word = text->substr(0, end);
    text->erase(0, std::min(end + 1, text->size()));
    return word;
  };
  command.tag = take_word();
  command.name = in_upper_case(take_word());
  command.by_uid = command.name == "UID";
  if (command.by_uid) command.name = in_upper_case(take_word());
  auto rest = arguments(*text);
  if (!rest) return std::nullopt;
  command.arguments = std::move(*rest);
  return command;
}

std::optional<std::vector<std::string>> ImapDialogue::arguments(std::string text) {
  std::vector<std::string> all;
  for (;;) {
    bool waits = false;
    const auto literal = take_literal(text, waits);
    for (auto& value : imap_values(text)) all.push_back(std::move(value));
    if (!literal) return all;
    if (waits) continuation("go on");
    flush();
    auto octets = stream_.octets(*literal);
    auto rest = line();
    if (!octets || !rest) return std::nullopt;
    all.push_back(std::move(*octets));
    text = std::move(*rest);
  }
}

std::optional<std::string> ImapDialogue::line() {
  flush();
  if (ended_) return std::nullopt;
  auto line = stream_.line();
  if (!line) ended_ = true;
  return line;
}

std::optional<std::string> ImapDialogue::idle() {
  flush();
  while (!ended_ && !stream_.readable_before(woken_)) {
    tell_news();
    flush();
  }
  return line();
}

// -- what is answered --

void ImapDialogue::raw(const std::string& text) { output_ += text + "\r\n"; }

void ImapDialogue::untagged(const std::string& text) { raw("* " + text); }

void ImapDialogue::ok(const ImapCommand& command, const std::string& text) {
  const bool by_number = command.name == "FETCH" || command.name == "STORE" || command.name == "SEARCH";
  if (command.by_uid || !by_number) tell_news();
  tagged(command, "OK " + text);
}

void ImapDialogue::flush() {
  if (!stream_.send(output_)) ended_ = true;
  output_.clear();
}

void ImapDialogue::hang_up() {
  flush();
  stream_.shut_down();
  ended_ = true;
}

// -- the selected mailbox --

/// Under the account's lock, as everything that looks into a mailbox.
void ImapDialogue::select(const std::string& name, std::shared_ptr<ImapMailbox> mailbox) {
  selected_name_ = name;
  selected_ = std::move(mailbox);
  view_.clear();
  for (const auto& message : selected_->messages) view_.push_back(message.uid);
  told_modseq_ = selected_->highest_modseq;
}

void ImapDialogue::unselect() {
  selected_name_.clear();
  selected_.reset();
  view_.clear();
}

std::size_t ImapDialogue::sequence_number(std::uint32_t uid) const {
  const auto found = std::lower_bound(view_.begin(), view_.end(), uid);
  return found == view_.end() || *found != uid ? 0 : static_cast<std::size_t>(found - view_.begin()) + 1;
}

void ImapDialogue::tell_removed(const ImapMailbox& mailbox) {
  std::vector<std::uint32_t> gone;
  std::size_t number = 1;
  std::erase_if(view_, [&](std::uint32_t uid) {
    const bool there = std::ranges::binary_search(mailbox.messages, uid, {}, &ImapMessage::uid);
    if (there) ++number;
    if (!there) gone.push_back(uid);
    if (!there && !enabled.contains("QRESYNC")) untagged(std::to_string(number) + " EXPUNGE");
    return !there;
  });
  if (!gone.empty() && enabled.contains("QRESYNC")) untagged("VANISHED " + set_text(gone));
}

void ImapDialogue::tell_news() {
  account_.look([&](const ImapAccount::Mailboxes& mailboxes) {
    if (told_of_others_) tell_others(mailboxes);
    if (!selected_) return;
    const auto& mailbox = *selected_;
    tell_removed(mailbox);
    const auto known = view_.size();
    for (const auto& message : mailbox.messages) {
      if (view_.empty() || message.uid > view_.back()) view_.push_back(message.uid);
    }
    if (view_.size() != known) untagged(std::to_string(view_.size()) + " EXISTS");
    for (std::size_t number = 1; number <= known; ++number) {
      const auto& message = mailbox.messages[number - 1];
      if (message.modseq <= told_modseq_) continue;
      auto row = std::to_string(number) + " FETCH (UID " + std::to_string(message.uid);
      row += " FLAGS " + imap_list(message.flags);
      if (tells_modseq) row += " MODSEQ (" + std::to_string(message.modseq) + ')';
      untagged(row + ')');
    }
    told_modseq_ = mailbox.highest_modseq;
  });
}

void ImapDialogue::knows_flags() {
  account_.look([&](const ImapAccount::Mailboxes&) {
    if (selected_) told_modseq_ = selected_->highest_modseq;
  });
}

void ImapDialogue::notify() {
  account_.look([&](const ImapAccount::Mailboxes& mailboxes) {
    told_of_others_.emplace();
    for (const auto& [name, mailbox] : mailboxes) (*told_of_others_)[name] = mailbox->highest_modseq;
  });
}

void ImapDialogue::tell_others(const ImapAccount::Mailboxes& mailboxes) {
  for (const auto& [name, mailbox] : mailboxes) {
    auto& told = (*told_of_others_)[name];
    if (told == mailbox->highest_modseq) continue;
    told = mailbox->highest_modseq;
    if (mailbox == selected_) continue;
    untagged("STATUS " + imap_string(name) + " (MESSAGES " + std::to_string(mailbox->messages.size()) + " UIDNEXT " +
             std::to_string(mailbox->uid_next) + " UIDVALIDITY " + std::to_string(mailbox->uid_validity) + ")");
  }
}

}  // namespace imapfs::testing
