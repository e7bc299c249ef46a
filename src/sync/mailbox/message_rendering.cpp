#include "sync/mailbox/message_rendering.hpp"

namespace imapfs::sync {
namespace {

/// 2000-01-01, for messages without a usable date from the server or in the header.
constexpr UnixTime no_date = 946'684'800;

}  // namespace

MessageMeta render_message(const imap::FetchRow& row, const mime::ListedFields& fields,
                           const mime::NameTemplate& names) {
  MessageMeta meta;
  meta.uid = row.uid;
  meta.size = row.size.value_or(0);
  meta.modseq = row.modseq.value_or(ModSeq{});
  meta.flags = row.flags.value_or(FlagSet{});
  meta.internal_date = row.internal_date ? *row.internal_date : mime::parse_date(fields.date).value_or(no_date);
  mime::NameFields named;
  named.uid = row.uid;
  named.internal_date = meta.internal_date;
  named.from = fields.from;
  named.to = fields.to;
  named.subject = fields.subject;
  named.message_id = fields.message_id;
  meta.file_name = names.render(named);
  return meta;
}

}  // namespace imapfs::sync
