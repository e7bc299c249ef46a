#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

/// Collects the answer to SELECT. If the server says [CLOSED], everything before it belongs to the previous mailbox.
class SelectCollector {
 public:
  SelectCollector(const Session::SelectRequest& request, FetchParser& parser) : request_(request), parser_(parser) {}

  Result<bool> take(const Response& response, ResponseReader& reader) {
    if (response.is("OK")) return take_code(parse_status_text(Answer::Kind::ok, reader.rest()));
    if (response.is("EXISTS") && response.number && *response.number <= UINT32_MAX) {
      selected_.messages = static_cast<std::uint32_t>(*response.number);
      return true;
    }
    if (response.is("FETCH") && response.number && request_.rows) {
      request_.rows(IMAPFS_TRY(parser_.parse(reader, nullptr)));
      return true;
    }
    if (response.is("VANISHED") && reader.peek() == '(' && request_.vanished) {
      IMAPFS_TRY(reader.skip_value());
      reader.skip_spaces();
      const auto uids = IMAPFS_TRY(parse_uid_set(reader));
      if (!uids.empty()) request_.vanished(uids);
      return true;
    }
    return response.is("FLAGS") || response.is("RECENT");
  }

  SelectedMailbox finish(const Answer& answer) {
    if (answer.code == "READ-ONLY") selected_.read_only = true;
    if (!request_.read_write) selected_.read_only = true;  // EXAMINE is read-only, whether the server says so or not
    if (!told_permanent_flags_) assume_all_flags();
    const auto& qresync = request_.qresync;
    selected_.qresync_applied = sent_qresync && qresync && selected_.highest_modseq &&
                                selected_.uid_validity == qresync->uid_validity;
    return std::move(selected_);
  }

  bool sent_qresync = false;

 private:
  bool take_code(const Answer& answer) {
    if (answer.code == "UIDVALIDITY") {
      if (const auto value = parse_nz_number(answer.code_data)) selected_.uid_validity = UidValidity{*value};
    } else if (answer.code == "UIDNEXT") {
      if (const auto value = parse_nz_number(answer.code_data)) selected_.uid_next = Uid{*value};
    } else if (answer.code == "HIGHESTMODSEQ") {
      const auto value = parse_number(answer.code_data);
      if (value && *value > 0) selected_.highest_modseq = ModSeq{*value};
    } else if (answer.code == "NOMODSEQ") {
      selected_.highest_modseq.reset();
    } else if (answer.code == "PERMANENTFLAGS") {
      selected_.may_create_keywords = false;
      selected_.permanent_flags = parse_flag_text(answer.code_data, selected_.may_create_keywords);
      told_permanent_flags_ = true;
    } else if (answer.code == "READ-ONLY") {
      selected_.read_only = true;
    } else {
      return answer.code == "UNSEEN" || answer.code == "CLOSED" || answer.code == "READ-WRITE";
    }
    return true;
  }

  /// RFC 9051 §7.1: without PERMANENTFLAGS, a client should assume that all flags can be changed permanently.
  void assume_all_flags() {
    for (const auto flag :
         {SystemFlag::seen, SystemFlag::answered, SystemFlag::flagged, SystemFlag::deleted, SystemFlag::draft}) {
      selected_.permanent_flags.add(flag);
    }
    selected_.may_create_keywords = true;
  }

  const Session::SelectRequest& request_;
  FetchParser& parser_;
  SelectedMailbox selected_;
  bool told_permanent_flags_ = false;
};

}  // namespace

Result<SelectedMailbox> ImapSession::select(const SelectRequest& request, const CallContext& context) {
  auto line = command(request.read_write ? "SELECT" : "EXAMINE");
  line.string(on_wire(request.mailbox));
  IMAPFS_TRY(line.check());
  SelectCollector collector(request, fetch_parser_);
  if (request.qresync && has("QRESYNC") && request.qresync->highest_modseq.value > 0) {
    const auto& state = *request.qresync;
    line.word(fmt::format("(QRESYNC ({} {}", state.uid_validity.value, state.highest_modseq.value));
    line.text("))");
    collector.sent_qresync = true;
  } else if (has("CONDSTORE")) {
    line.word("(CONDSTORE)");  // Dovecot reports no HIGHESTMODSEQ until a client requests it
  }
  IMAPFS_TRY(context.check());
  // RFC 9051 §6.3.2: after a failed SELECT nothing is selected.
  selection_.forget();
  connection_->channel.unsolicited().reset_exists();
  const auto answer = IMAPFS_TRY(connection_->runner.run(
      line, [&](const Response& response, ResponseReader& reader) { return collector.take(response, reader); },
      context));
  selection_.set(request.mailbox, collector.finish(answer));
  return selection_.state();
}

}  // namespace imapfs::imap
