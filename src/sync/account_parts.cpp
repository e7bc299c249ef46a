#include "sync/account_parts.hpp"

#include <utility>

namespace imapfs::sync {

AccountParts::AccountParts(Given given)
    : settings(std::move(given.settings)), factory(std::move(given.factory)), cache(std::move(given.bodies)),
      journal(std::move(given.journal)), listener(given.listener), store(std::move(given.metadata)),
      helper(given.scheduler), server(settings.timeout),
      mailboxes({settings.names, store, helper, listener, journal, cache}),
      tree({settings.account, mailboxes, store, listener}),
      tree_sync({settings.refresh, settings.timeout}, {server, tree, store, helper}), rows(store, helper),
      syncs({settings.refresh, settings.poll_interval, settings.timeout}, {server, rows, helper, *cache, tree_sync}),
      rights_questions(server), finder({settings.names, server, rows, syncs, journal != nullptr}),
      details({server, syncs, helper, store, *cache}), status_news(mailboxes, syncs),
      watchers({settings.watch, settings.refresh, settings.poll_interval, settings.idle_renewal, settings.timeout},
               {factory, server, mailboxes, rows, syncs, status_news, idle_trust, tree_sync, helper}),
      bodies({settings.account, settings.timeout, settings.whole_fetch_limit},
             {server, mailboxes, finder, syncs, helper, cache}),
      rights(server, mailboxes, tree), usage(server, mailboxes, settings.refresh),
      reader({mailboxes, tree, tree_sync, syncs, finder, details, rights}),
      writing(journal ? std::make_unique<Writing>(*this, *journal) : nullptr),
      pool_news({server, tree_sync, watchers, listener, writing ? &writing->changes : nullptr},
                {mailboxes, syncs, status_news, tree_sync}) {}

AccountParts::Writing::Writing(AccountParts& parts, store::Journal& journal)
    : changes(parts.changes_dependencies(journal)), flags(parts.server, parts.rights_questions, changes),
      requests({parts.server, parts.mailboxes, parts.rights_questions, changes, flags}),
      outcome(parts.tree_sync, parts.settings.timeout),
      clearing({parts.server, parts.mailboxes, parts.syncs, parts.tree, parts.tree_sync, parts.rights, changes}),
      creation(
          {parts.server, parts.mailboxes, parts.rights_questions, parts.tree, parts.tree_sync, parts.rights, outcome}),
      removal({parts.server, parts.mailboxes, parts.rights_questions, journal, changes, requests, clearing, parts.tree,
               parts.tree_sync, parts.rights, outcome}),
      renaming({parts.server, parts.mailboxes, parts.rights_questions, journal, changes, requests, parts.tree,
                parts.tree_sync, parts.rights, outcome}),
      tree_changes(creation, removal, renaming) {}

Changes::Dependencies AccountParts::changes_dependencies(store::Journal& changes_journal) {
  return {
      settings,
      changes_journal,
      listener,
      [this](imap::PoolJob job) { server.submit(std::move(job)); },
      [this](SteadyClock::duration delay, Job job) { helper.after(delay, std::move(job)); },
      [this](MailboxId id) { return mailboxes.find(id); },
      [this](const std::string& name) { return mailboxes.find_name(name); },
      [this](const MailboxPointer& mailbox, Job then) { rows.with_rows(mailbox, std::move(then)); },
      [this](const MailboxPointer& mailbox) { syncs.list_anew(mailbox); },
      [this](const MailboxPointer& mailbox, Completion<void> done) { syncs.bring_in_step(mailbox, std::move(done)); },
      [this] { return tree.tree(); },
      [this] {
        const auto traits = server.traits();
        return traits ? traits->capabilities : imap::Capabilities();
      },
      [this] { return server.online(); },
      [this](const MailboxPointer& mailbox) { rights_questions.ask_again(mailbox); }};
}

}  // namespace imapfs::sync
