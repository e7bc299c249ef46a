#pragma once
// A session that tells what a FakeServer says, after a test has bent it.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

/// How a server deviates. Shared by all its sessions.
struct Lies {
  bool omit_vanished = false;                                 ///< QRESYNC without VANISHED
  bool reverse_rows = false;                                  ///< FETCH rows from the highest UID down
  std::function<void(imap::SelectedMailbox&)> bend_selected;  ///< what SELECT answers
  std::function<void(imap::FetchRow&)> bend_row;
  /// In place of the command, with the session that would carry it out.
  std::function<Result<imap::AppendedMessage>(imap::Session&, const imap::AppendRequest&, imap::AppendSource&,
                                              const CallContext&)>
      append;
  /// COPY, or MOVE where that is asked for.
  std::function<Result<imap::CopiedMessages>(imap::Session&, const UidSet&, const imap::WireName&, const CallContext&)>
      bring;
  std::function<Result<void>(imap::Session&, const UidSet&, const CallContext&)> store;
};

class LyingSession : public imap::Session {
 public:
  LyingSession(std::unique_ptr<imap::Session> honest, std::shared_ptr<Lies> lies)
      : honest_(std::move(honest)), lies_(std::move(lies)) {}

  [[nodiscard]] const imap::ServerTraits& traits() const override { return honest_->traits(); }
  [[nodiscard]] std::string description() const override { return honest_->description(); }
  void set_listener(imap::UntaggedListener* listener) override { honest_->set_listener(listener); }
  void set_silence_watch(imap::SilenceWatch watch) override { honest_->set_silence_watch(std::move(watch)); }
  Result<std::vector<imap::Namespace>> namespaces(const CallContext& context) override {
    return honest_->namespaces(context);
  }
  Result<std::vector<imap::ListedMailbox>> list(const imap::WireName& prefix, const CallContext& context) override {
    return honest_->list(prefix, context);
  }
  Result<MailboxStatus> status(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->status(mailbox, context);
  }
  [[nodiscard]] const imap::WireName& selected() const override { return honest_->selected(); }
  Result<imap::SelectedMailbox> select(const SelectRequest& request, const CallContext& context) override {
    auto bent = request;
    if (lies_->omit_vanished) bent.vanished = nullptr;
    auto selected = honest_->select(bent, context);
    if (selected && lies_->bend_selected) lies_->bend_selected(*selected);
    return selected;
  }
  Result<void> fetch(const FetchRequest& request, const std::function<void(const imap::FetchRow&)>& rows,
                     const CallContext& context) override {
    std::vector<std::pair<imap::FetchRow, std::string>> kept;
    const auto bend = [&](const imap::FetchRow& row) {
      auto bent = row;
      if (lies_->bend_row) lies_->bend_row(bent);
      if (!lies_->reverse_rows) return rows(bent);
      kept.emplace_back(bent, std::string(bent.header_block));
    };
    auto result = honest_->fetch(request, bend, context);
    for (auto entry = kept.rbegin(); entry != kept.rend(); ++entry) {
      entry->first.header_block = entry->second;
      rows(entry->first);
    }
    return result;
  }
  [[nodiscard]] const imap::SelectedMailbox& selection() const override { return honest_->selection(); }
  Result<imap::AppendedMessage> append(const imap::AppendRequest& request, imap::AppendSource& source,
                                       const CallContext& context) override {
    if (lies_->append) return lies_->append(*honest_, request, source, context);
    return honest_->append(request, source, context);
  }
  Result<imap::CopiedMessages> copy(const UidSet& uids, const imap::WireName& destination,
                                    const CallContext& context) override {
    if (lies_->bring) return lies_->bring(*honest_, uids, destination, context);
    return honest_->copy(uids, destination, context);
  }
  Result<imap::CopiedMessages> move(const UidSet& uids, const imap::WireName& destination,
                                    const CallContext& context) override {
    if (lies_->bring) return lies_->bring(*honest_, uids, destination, context);
    return honest_->move(uids, destination, context);
  }
  Result<void> store_flags(const UidSet& uids, const FlagChange& change, const CallContext& context) override {
    if (lies_->store) return lies_->store(*honest_, uids, context);
    return honest_->store_flags(uids, change, context);
  }
  Result<void> expunge(const UidSet& uids, const CallContext& context) override {
    return honest_->expunge(uids, context);
  }
  Result<void> create_mailbox(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->create_mailbox(mailbox, context);
  }
  Result<void> delete_mailbox(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->delete_mailbox(mailbox, context);
  }
  Result<void> rename_mailbox(const imap::WireName& from, const imap::WireName& to,
                              const CallContext& context) override {
    return honest_->rename_mailbox(from, to, context);
  }
  Result<void> subscribe(const imap::WireName& mailbox, bool subscribed, const CallContext& context) override {
    return honest_->subscribe(mailbox, subscribed, context);
  }
  Result<std::optional<std::string>> my_rights(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->my_rights(mailbox, context);
  }
  Result<void> fetch_body(Uid uid, std::optional<imap::OctetRange> range, imap::BodySink& sink,
                          const CallContext& context) override {
    return honest_->fetch_body(uid, range, sink, context);
  }
  Result<void> fetch_head_and_tail(Uid uid, std::uint64_t head, imap::OctetRange tail, imap::BodySink& head_sink,
                                   imap::BodySink& tail_sink, const CallContext& context) override {
    return honest_->fetch_head_and_tail(uid, head, tail, head_sink, tail_sink, context);
  }
  Result<void> fetch_ranges(Uid uid, imap::BodyRangeSink& sink, SteadyClock::duration silence,
                            const CallContext& context) override {
    return honest_->fetch_ranges(uid, sink, silence, context);
  }
  Result<void> fetch_bodies(imap::BodySetSink& sink, SteadyClock::duration silence,
                            const CallContext& context) override {
    return honest_->fetch_bodies(sink, silence, context);
  }
  Result<std::string> fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                          const CallContext& context) override {
    return honest_->fetch_header_fields(uid, fields, context);
  }
  Result<UidSet> search(const std::string& criteria, const CallContext& context) override {
    return honest_->search(criteria, context);
  }
  Result<void> noop(const CallContext& context) override { return honest_->noop(context); }
  Result<void> leave(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->leave(mailbox, context);
  }
  Result<std::optional<imap::Quota>> quota(const imap::WireName& mailbox, const CallContext& context) override {
    return honest_->quota(mailbox, context);
  }
  Result<imap::IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context,
                             const std::stop_token& asked) override {
    return honest_->idle(renew_after, context, asked);
  }
  Result<void> notify_personal(const CallContext& context) override { return honest_->notify_personal(context); }
  void logout() override { honest_->logout(); }

 private:
  std::unique_ptr<imap::Session> honest_;
  std::shared_ptr<Lies> lies_;
};

}  // namespace imapfs::sync
