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

ImapDialogue::ImapDialogue(ImapStream& stream, ImapAccount& account, ImapLog& log, int number)
    : stream_(stream), account_(account), log_(log), number_(number), woken_(::eventfd(0, EFD_CLOEXEC)),
      view_(account) {
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

void ImapDialogue::tell_news() {
  for (const auto& line : view_.news(enabled.contains("QRESYNC"), tells_modseq)) untagged(line);
}

}  // namespace imapfs::testing
