#include "controller/rpc/list_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/wire/job.h"
#include "controller/journal/job_codec.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

namespace {

constexpr size_t kPatternBytesMax = 256;
constexpr size_t kLabelsMax = 16;
constexpr size_t kStatesMax = 16;
constexpr size_t kWordsMax = 16;
// Of the history in one call, since words are looked for in whole records.
constexpr size_t kLookedAtMax = 20'000;

struct Listing {
  Who who;
  JobFilter filter;
  size_t limit = kListedMax;
  std::vector<std::string> words = {};
  std::set<JobId> only = {};               // of these alone; empty: of all
  std::map<JobId, pb::JobInfo> rows = {};  // at most one more than `limit`
  JobId looked_down_to = 0;                // not at those below; 0: at all
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool has_word(const pb::JobInfo& row, std::string_view word) {
  const auto has = [](const std::string& text, std::string_view part) {
    return lower(text).find(part) != std::string::npos;
  };
  const pb::JobSpec& spec = row.spec();
  const std::string& state = pb::JobState_Name(row.state());
  if (word.starts_with("user:")) return has(spec.user(), word.substr(5));
  if (word.starts_with("state:")) return has(state, word.substr(6));
  if (word.starts_with("volume:")) return has(spec.root().volume(), word.substr(7));
  std::string all = fmt::format("{} {} {} {} {} {}", row.job(), state, spec.user(),
                                spec.root().volume(), spec.name(), row.reason());
  for (const std::string& argument : spec.program().argv()) all += " " + argument;
  for (const pb::AttemptInfo& attempt : row.attempts()) all += " " + attempt.node();
  return has(all, word);
}

bool has_words(const Listing& listing, const pb::JobInfo& row) {
  return std::ranges::all_of(listing.words, [&](std::string_view word) {
    const bool inverse = word.size() > 1 && word[0] == '!';
    return has_word(row, inverse ? word.substr(1) : word) != inverse;
  });
}

Status narrow(Listing& listing, const pb::ListJobsRequest& request, Time now) {
  JobFilter& filter = listing.filter;
  const Who& who = listing.who;
  if (!who.sees_all() || (!request.all() && filter.user.empty())) {
    if (!filter.user.empty() && filter.user != who.user) {
      return Error{Code::kDenied,
                   fmt::format("only an administrator sees the jobs of '{}'", filter.user),
                   "devrun ps -a"};
    }
    filter.user = who.user;
  }
  const bool recent = !request.all() && filter.since.us == 0;
  if (recent) filter.since = now + Duration{-kRecent.us};
  return ok();
}

void take(Listing& listing, const State& state, const Job& job, Time now, Explained& known) {
  if (!listing.who.may_see(job)) return;
  JobFacts facts{job.id, &job.spec, {}, {}, job.timeline.submitted, {}};
  if (job.outcome) {
    facts.status = job.outcome->ending.status;
    facts.ended = job.outcome->at;
  }
  if (!listing.filter.states.empty()) facts.state = job_state(state, job, now);
  if (!matches(listing.filter, facts)) return;
  pb::JobInfo row = job_info(state, job, now, Detail::kRow, {}, &known);
  if (has_words(listing, row)) listing.rows[job.id] = std::move(row);
}

void list_ledger(Listing& listing, const State& state, Time now) {
  Explained known;
  for (auto it = state.jobs.rbegin(); it != state.jobs.rend(); ++it) {
    if (listing.rows.size() > listing.limit) return;
    take(listing, state, it->second, now, known);
  }
}

// Those that are asked for by number; what is left of `only` may be in the history.
void find_in_ledger(Listing& listing, const State& state, Time now) {
  Explained known;
  std::erase_if(listing.only, [&](JobId id) {
    const auto job = state.jobs.find(id);
    if (job != state.jobs.end()) take(listing, state, job->second, now, known);
    return job != state.jobs.end();
  });
}

Status find_in_history(Listing& listing, History& history) {
  Explained known;
  for (const JobId id : listing.only) {
    const std::optional<Job> job = TRY(history.find(id));
    if (job && job->outcome) take(listing, {}, *job, job->outcome->at, known);
  }
  return ok();
}

// Nothing if the caller may not see it.
Result<std::optional<pb::JobInfo>> row_of(const HistoryFound& found, const Who& who) {
  if (!found.row.empty()) {
    pb::JobInfo row;
    if (!row.ParseFromArray(found.row.data(), static_cast<int>(found.row.size()))) {
      return Error{Code::kCorrupt, fmt::format("the row of job {} cannot be read", found.job), {}};
    }
    Job shown;
    shown.spec = TRY(wire::from_proto(row.spec()));
    if (!who.may_see(shown)) return std::optional<pb::JobInfo>();
    return std::optional(std::move(row));
  }
  const Job job = TRY(decode_job(found.record));
  if (!who.may_see(job)) return std::optional<pb::JobInfo>();
  return std::optional(job_info({}, job, job.outcome->at, Detail::kRow));
}

Status list_history(Listing& listing, History& history) {
  size_t taken = 0;
  size_t looked_at = 0;
  Status read = ok();
  TRY(history.visit(listing.filter, [&](const HistoryFound& found) {
    if (taken > listing.limit) return false;
    if (listing.rows.contains(found.job)) return true;
    Result<std::optional<pb::JobInfo>> row = row_of(found, listing.who);
    if (!row) read = row.error();
    if (!row) return false;
    if (*row && has_words(listing, **row)) {
      ++taken;
      listing.rows[found.job] = std::move(**row);
    }
    if (++looked_at < kLookedAtMax) return true;
    listing.looked_down_to = found.job;
    return false;
  }));
  return read;
}

void answer(Listing& listing, pb::ListJobsReply& reply) {
  JobId next = listing.looked_down_to;
  while (listing.rows.size() > listing.limit) {
    listing.rows.erase(listing.rows.begin());
    next = listing.rows.begin()->first;
  }
  reply.set_truncated(next != 0);
  reply.set_next_before(next);
  for (auto& [id, row] : listing.rows) *reply.add_jobs() = std::move(row);
}

}  // namespace

Result<JobFilter> filter_of(const pb::ListJobsRequest& request) {
  JobFilter out;
  if (request.name().size() > kPatternBytesMax ||
      static_cast<size_t>(request.labels_size()) > kLabelsMax ||
      static_cast<size_t>(request.states_size()) > kStatesMax ||
      static_cast<size_t>(request.words_size()) > kWordsMax ||
      static_cast<size_t>(request.jobs_size()) > kListedMax) {
    return Error{Code::kInvalid, "too much is asked for at once", "devrun help ps"};
  }
  out.user = request.user();
  for (const int state : request.states()) {
    out.states.push_back(TRY(wire::from_proto(static_cast<pb::JobState>(state))));
  }
  out.name = request.name();
  for (const pb::LabelFilter& label : request.labels()) {
    LabelFilter& one = out.labels.emplace_back();
    one.key = label.key();
    if (label.has_value()) one.value = label.value();
  }
  if (request.has_exit_status()) out.status = request.exit_status();
  out.failed = request.failed();
  out.since = {request.since_us()};
  out.until = {request.until_us()};
  out.before = request.before();
  return out;
}

void list_jobs(const Parts& parts, Peer peer, const pb::ListJobsRequest& request,
               pb::ListJobsReply& reply, grpc::ServerUnaryReactor& reactor) {
  auto listing = std::make_shared<Listing>();
  Result<JobFilter> filter = filter_of(request);
  if (!filter) return reactor.Finish(to_status(filter.error()));
  listing->filter = std::move(*filter);
  for (const std::string& word : request.words()) listing->words.push_back(lower(word));
  listing->only.insert(request.jobs().begin(), request.jobs().end());
  const bool by_number = !listing->only.empty();
  if (request.limit() != 0) listing->limit = std::min<size_t>(request.limit(), kListedMax);
  parts.core.read([listing, by_number, peer = std::move(peer), &request, &reply, &reactor,
                   &archive = parts.archive](const State& state, Time now) {
    Result<Who> who = resolve(state, peer);
    if (!who) return reactor.Finish(to_status(who.error()));
    listing->who = std::move(*who);
    if (const Status narrowed = narrow(*listing, request, now); !narrowed) {
      return reactor.Finish(to_status(narrowed.error()));
    }
    if (by_number) {
      find_in_ledger(*listing, state, now);
    } else {
      list_ledger(*listing, state, now);
    }
    if (by_number && listing->only.empty()) {
      answer(*listing, reply);
      return reactor.Finish(grpc::Status::OK);
    }
    const bool queued = archive.read([listing, by_number, &reply, &reactor](History& history) {
      const Status listed =
          by_number ? find_in_history(*listing, history) : list_history(*listing, history);
      if (!listed) return reactor.Finish(to_status(listed.error()));
      answer(*listing, reply);
      reactor.Finish(grpc::Status::OK);
    });
    if (!queued) {
      reactor.Finish(to_status(Error{Code::kExhausted, "too many read the history", "try again"}));
    }
  });
}

}  // namespace devrun::controller
