// The pure parts of a listing: parsing FETCH rows, decoding their header fields, rendering names, and keeping the rows.
// No network, no disk.

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "imap/wire/fetch_parser.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "sync/mailbox/writable_message_table.hpp"

namespace imapfs {
namespace {

constexpr std::uint32_t rows_at_once = 1000;

/// Gives the same text again and again, `times` times.
class ReplayStream : public net::ByteStream {
 public:
  ReplayStream(std::string_view text, std::size_t times) : text_(text), times_(times) {}

  Result<std::size_t> read(std::span<char> buffer, const CallContext&) override {
    if (times_ == 0) return 0U;
    const auto size = std::min(buffer.size(), text_.size() - position_);
    std::memcpy(buffer.data(), text_.data() + position_, size);
    position_ += size;
    if (position_ == text_.size()) {
      position_ = 0;
      --times_;
    }
    return size;
  }
  Result<void> write(std::span<const char>, const CallContext&) override { return {}; }
  Result<void> wait_readable(const CallContext&) override { return {}; }
  [[nodiscard]] std::string description() const override { return "replay"; }

 private:
  std::string_view text_;
  std::size_t times_;
  std::size_t position_ = 0;
};

/// The header fields of message `number`: three quarters of the subjects and half of the senders are encoded, as in the
/// mail that `run` fills its server with.
std::string header_block(std::uint32_t number) {
  constexpr std::array<std::string_view, 4> subjects = {
      "Re: Minutes of the meeting on the", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln_und_Umgebung=2C_Nummer?=",
      "=?UTF-8?B?0L/RgNC40LLQtdGCIGZyb20gdGhlIHN1bW1lciBob3VzZQ==?=",
      "Fwd: =?UTF-8?Q?=E6=9D=B1=E4=BA=AC=20release=20notes=20=E6=9D=B1=E4=BA=AC=20naive?="};
  const auto sender = number % 2 == 0 ? "Anna Example" : "=?UTF-8?Q?J=C3=BCrgen=20Dvo=C5=99=C3=A1k?=";
  return fmt::format(
      "Date: Fri, 20 Nov 2026 09:30:00 +0100\r\nFrom: {} <anna{}@example.org>\r\nSubject: {} {}\r\n"
      "Message-ID: <{}.4711@mail.example.org>\r\n\r\n",
      sender, number % 97, subjects[number % 4], number, number);
}

std::string fetch_row(std::uint32_t number, bool with_headers) {
  auto row = fmt::format(
      "* {0} FETCH (UID {0} FLAGS (\\Seen $Forwarded) INTERNALDATE \"20-Nov-2026 09:30:00 +0100\" RFC822.SIZE {1}",
      number, 4000 + number);
  if (with_headers) {
    const auto block = header_block(number);
    row += fmt::format(" BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] {{{}}}\r\n{}", block.size(), block);
  }
  return row + ")\r\n";
}

void parse_fetch_rows(benchmark::State& state) {
  std::string text;
  for (std::uint32_t i = 1; i <= rows_at_once; ++i) text += fetch_row(i, state.range(0) != 0);
  const CallContext context;
  for (auto _ : state) {
    imap::Transport transport(std::make_unique<ReplayStream>(text, 1));
    imap::ResponseReader reader(transport, 1 << 20);
    reader.set_context(context);
    imap::FetchParser parser;
    std::uint32_t parsed = 0;
    while (parsed < rows_at_once && reader.next()) {
      reader.accept('*');
      for (int word = 0; word < 2; ++word) {  // the sequence number and FETCH
        reader.skip_spaces();
        reader.atom();
      }
      reader.skip_spaces();
      const auto row = parser.parse(reader, nullptr);
      if (!row || !reader.finish()) break;
      benchmark::DoNotOptimize(row->uid);
      ++parsed;
    }
    if (parsed != rows_at_once) state.SkipWithError("a row was not parsed");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations() * rows_at_once);
}
BENCHMARK(parse_fetch_rows)->ArgName("headers")->Arg(0)->Arg(1);

void decode_headers(benchmark::State& state) {
  mime::initialise_mime();
  std::vector<std::string> blocks;
  for (std::uint32_t i = 1; i <= rows_at_once; ++i) blocks.push_back(header_block(i));
  for (auto _ : state)
    for (const auto& block : blocks) benchmark::DoNotOptimize(mime::decode_listing_headers(block));
  state.SetItemsProcessed(state.iterations() * rows_at_once);
}
BENCHMARK(decode_headers);

mime::NameTemplate default_template() { return mime::NameTemplate::parse(mime::NameTemplate::default_text).value(); }

void render_names(benchmark::State& state) {
  mime::initialise_mime();
  const auto names = default_template();
  std::vector<std::string> blocks;
  for (std::uint32_t i = 1; i <= rows_at_once; ++i) blocks.push_back(header_block(i));
  for (auto _ : state) {
    std::uint32_t uid = 0;
    for (const auto& block : blocks) {
      mime::NameFields fields;
      fields.uid = Uid{++uid};
      fields.internal_date = 1'795'163'400 + uid;
      fields.from = mime::find_field(block, "From").value_or("");
      fields.subject = mime::find_field(block, "Subject").value_or("");
      fields.message_id = mime::find_field(block, "Message-ID").value_or("");
      benchmark::DoNotOptimize(names.render(fields));
    }
  }
  state.SetItemsProcessed(state.iterations() * rows_at_once);
}
BENCHMARK(render_names);

/// A row as a listing has it, with a name of about 60 bytes.
MessageMeta message(std::uint32_t uid) {
  MessageMeta meta;
  meta.uid = Uid{uid};
  meta.internal_date = 1'795'163'400 + uid;
  meta.size = 4000 + uid;
  meta.modseq = ModSeq{uid};
  meta.flags.add(SystemFlag::seen);
  meta.file_name = fmt::format("2026-11-20_0930_anna{}@example.org_Minutes-of-meeting.{}.eml", uid % 97, uid);
  return meta;
}

std::vector<MessageMeta> messages(std::int64_t count) {
  std::vector<MessageMeta> all;
  for (std::uint32_t uid = 1; uid <= count; ++uid) all.push_back(message(uid));
  return all;
}

void insert_rows(benchmark::State& state) {
  const auto all = messages(state.range(0));
  double bytes_per_message = 0;
  for (auto _ : state) {
    sync::WritableMessageTable table{default_template()};
    table.reset(UidValidity{1});
    for (const auto& meta : all) table.upsert(meta, true);
    table.set_complete(true);
    bytes_per_message = static_cast<double>(table.memory_bytes()) / static_cast<double>(all.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_per_message"] = bytes_per_message;
}
BENCHMARK(insert_rows)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void fill(sync::WritableMessageTable& table, const std::vector<MessageMeta>& all) {
  table.reset(UidValidity{1});
  for (const auto& meta : all) table.upsert(meta, true);
  table.set_complete(true);
}

void find_rows_by_name(benchmark::State& state) {
  const auto all = messages(state.range(0));
  sync::WritableMessageTable table{default_template()};
  fill(table, all);
  std::size_t next = 0;
  for (auto _ : state) {
    next = (next + 7919) % all.size();  // a prime, so that neighbours are not asked in a row
    benchmark::DoNotOptimize(table.find_by_name(all[next].file_name));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_rows_by_name)->Arg(100'000)->Arg(1'000'000);

void visit_rows(benchmark::State& state) {
  const auto all = messages(state.range(0));
  sync::WritableMessageTable table{default_template()};
  fill(table, all);
  for (auto _ : state) {
    Uid after{0};
    while (!table
                .visit_after(after, 256,
                             [&](const auto& row) {
                               after = row.uid;
                               benchmark::DoNotOptimize(row.file_name.data());
                               return true;
                             })
                .at_end) {
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(visit_rows)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace imapfs
