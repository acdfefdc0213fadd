#include "tui/term/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace devrun::tui {

namespace {

constexpr size_t kBytesOfOne = 100;

}  // namespace

size_t weight_of(const Event& event) {
  if (const auto* pushed = std::get_if<Pushed>(&event)) {
    size_t attempts = 0;
    for (const NodeSample& load : pushed->loads) attempts += load.attempts.size();
    return 1 + pushed->jobs.size() + pushed->nodes.size() + pushed->gone.size() +
           pushed->gone_nodes.size() + pushed->loads.size() + attempts;
  }
  if (const auto* log = std::get_if<LogBytes>(&event)) return 1 + log->bytes.size() / kBytesOfOne;
  if (const auto* text = std::get_if<TextFetched>(&event))
    return 1 + text->text.size() / kBytesOfOne;
  if (const auto* volumes = std::get_if<VolumesFetched>(&event)) return 1 + volumes->rows.size();
  if (const auto* one = std::get_if<SnapshotsFetched>(&event)) return 1 + one->rows.size();
  if (const auto* job = std::get_if<JobFetched>(&event)) return 1 + job->job.attempts.size();
  return 1;
}

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Mailbox::~Mailbox() {
  ::close(wake_);
}

void Mailbox::post(Event event) {
  const size_t weight = weight_of(event);
  std::unique_lock lock(mutex_);
  room_.wait(lock,
             [&] { return closed_ || events_.empty() || weight_ + weight <= kPostedWeightMax; });
  if (closed_) return;
  events_.push_back(std::move(event));
  weight_ += weight;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_, &one, sizeof one);
}

std::deque<Event> Mailbox::take() {
  const std::scoped_lock lock(mutex_);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_, &count, sizeof count);
  weight_ = 0;
  room_.notify_all();
  return std::exchange(events_, {});
}

void Mailbox::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  room_.notify_all();
}

}  // namespace devrun::tui
