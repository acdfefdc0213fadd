// Asking the history. Rows are wanted newest first, and few of them, so what matters is not to sort or walk very many:
// the condition that leaves few rows is found by counting, up to a limit, along each one's index. If none does, rows are
// taken along an index that has them by number, or by number itself, until there are enough, which then is soon.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <variant>

#include "controller/journal/history.h"

namespace devrun::controller {

namespace {

constexpr std::string_view kReading = "reading the history";
constexpr int64_t kFew = 2000;

using Value = std::variant<int64_t, std::string>;

struct Condition {
  std::string sql;
  std::vector<Value> values = {};
  std::string index = {};  // empty: none to walk along
  bool in_order = false;   // along that index rows come by number
  std::string probe = {};  // another way to count its rows, which are then found by their numbers
};

// The part of a pattern before its first special character.
std::string prefix_of(const std::string& pattern) {
  return pattern.substr(0, pattern.find_first_of("*?["));
}

// The first text behind all that begin with it; empty: there is none.
std::string behind(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

void add_name(std::vector<Condition>& out, const std::string& pattern) {
  const std::string prefix = prefix_of(pattern);
  if (prefix == pattern) {
    out.push_back({"name = ?", {pattern}, "job_name", true});
    return;
  }
  if (!prefix.empty() && !behind(prefix).empty()) {
    out.push_back({"name >= ? AND name < ?", {prefix, behind(prefix)}, "job_name", false});
  }
  out.push_back({"name GLOB ?", {pattern}});
}

template <typename List, typename Convert>
Condition one_of(const std::string& column, const List& list, const std::string& index,
                 Convert convert) {
  Condition out{fmt::format("{} IN (", column), {}, index, list.size() == 1};
  for (const auto& value : list) {
    out.sql += out.values.empty() ? "?" : ", ?";
    out.values.emplace_back(static_cast<int64_t>(convert(value)));
  }
  out.sql += ")";
  return out;
}

// In the order in which they are worth to be walked along if all leave many rows.
std::vector<Condition> conditions_of(const JobFilter& filter) {
  std::vector<Condition> out;
  if (!filter.name.empty()) add_name(out, filter.name);
  if (filter.status) out.push_back({"status = ?", {int64_t{*filter.status}}, "job_status", true});
  if (filter.failed) out.push_back({"status != 0", {}, "job_failed", true});
  if (!filter.user.empty()) out.push_back({"user = ?", {filter.user}, "job_user", true});
  if (!filter.states.empty()) {
    out.push_back(one_of("state", filter.states, "job_state", [](JobState s) { return s; }));
  }
  if (filter.since.us != 0) out.push_back({"ended_us >= ?", {filter.since.us}, "job_ended", false});
  if (filter.until.us != 0) out.push_back({"submitted_us <= ?", {filter.until.us}});
  if (filter.before != 0) out.push_back({"id < ?", {static_cast<int64_t>(filter.before)}});
  for (const LabelFilter& label : filter.labels) {
    Condition has{"id IN (SELECT id FROM label WHERE key = ?", {label.key}, "", false};
    has.probe = "SELECT 1 FROM label WHERE key = ?";
    if (label.value) {
      has.sql += " AND value = ?";
      has.probe += " AND value = ?";
      has.values.emplace_back(*label.value);
    }
    has.sql += ")";
    out.push_back(std::move(has));
  }
  return out;
}

void bind_all(Statement& statement, int& at, const Condition& condition) {
  for (const Value& value : condition.values) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      statement.bind(++at, *number);
    } else {
      statement.bind_text(++at, std::get<std::string>(value));
    }
  }
}

Result<int64_t> count_few(Database& database, const Condition& condition) {
  const std::string rows =
      condition.probe.empty()
          ? fmt::format("SELECT 1 FROM job INDEXED BY {} WHERE {}", condition.index, condition.sql)
          : condition.probe;
  Statement count = TRY(
      database.prepare(fmt::format("SELECT count(*) FROM ({} LIMIT {})", rows, kFew), kReading));
  int at = 0;
  bind_all(count, at, condition);
  TRY(count.step(kReading));
  return count.integer(0);
}

// How SQLite is to find the rows, and which condition it is then: " INDEXED BY x", or " NOT INDEXED", which leaves it the
// numbers.
struct Way {
  std::string sql = " NOT INDEXED";
  const Condition* along = nullptr;  // the rows of this one are few
};
Result<Way> way_of(Database& database, const std::vector<Condition>& conditions) {
  Way out;
  int64_t least = kFew;
  for (const Condition& condition : conditions) {
    if (condition.index.empty() && condition.probe.empty()) continue;
    const int64_t count = TRY(count_few(database, condition));
    if (count >= least) continue;
    least = count;
    out.along = &condition;
  }
  const Condition* best = out.along;
  if (best == nullptr) {
    const auto ordered = std::ranges::find_if(conditions, &Condition::in_order);
    if (ordered != conditions.end()) best = &*ordered;
  }
  if (best != nullptr && !best->index.empty()) out.sql = " INDEXED BY " + best->index;
  return out;
}

}  // namespace

Status History::visit(const JobFilter& filter,
                      const std::function<bool(const HistoryFound&)>& take) {
  const std::vector<Condition> conditions = conditions_of(filter);
  const Way way = TRY(way_of(*database_, conditions));
  std::string sql = "SELECT id FROM job" + way.sql;
  for (const Condition& condition : conditions) {
    sql += &condition == conditions.data() ? " WHERE " : " AND ";
    // A set that is looked into for each row, but for the one by which rows are found. (`+`: no way to find them.)
    const bool looked_into = !condition.probe.empty() && &condition != way.along;
    sql += looked_into ? "+" + condition.sql : condition.sql;
  }
  Statement jobs = TRY(database_->prepare(sql + " ORDER BY id DESC", kReading));
  int at = 0;
  for (const Condition& condition : conditions) bind_all(jobs, at, condition);
  Statement record = TRY(database_->prepare("SELECT body, row FROM record WHERE id = ?", kReading));
  while (TRY(jobs.step(kReading))) {
    record.bind(1, jobs.integer(0));
    if (TRY(record.step(kReading))) {
      if (!take({static_cast<JobId>(jobs.integer(0)), record.bytes(0), record.bytes(1)})) break;
    }
    record.reset();
  }
  return ok();
}

}  // namespace devrun::controller
