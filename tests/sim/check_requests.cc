// A request that is sent twice, before or after any crash, is one job; two requests are two.
#include <algorithm>
#include <map>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

// It may ask for another of its alternatives by now.
bool is_as_asked(JobSpec known, const JobSpec& asked) {
  const bool is_alternative = std::ranges::count(asked.alternatives, known.per_node) != 0;
  if (is_alternative) known.per_node = asked.per_node;
  return known == asked;
}

class Requests final : public Check {
 public:
  void answered(World& world, const controller::Submit& request, JobId job) override {
    if (request.spec.dev_container) return;  // one per volume, whoever asks
    const auto [it, fresh] = jobs_.emplace(request.request_id, job);
    if (it->second != job) {
      world.fail("requests",
                 fmt::format("{} is job {} and job {}", request.request_id, it->second, job));
    }
    const auto [of, first] = requests_.emplace(job, request.request_id);
    if (of->second != request.request_id) {
      world.fail("requests",
                 fmt::format("job {} is {} and {}", job, of->second, request.request_id));
    }
    const controller::Job* known = controller::find_job(world.shadow, job);
    if (known == nullptr || !is_as_asked(known->spec, request.spec)) {
      world.fail("requests", fmt::format("job {} is not what was asked for", job));
    }
  }

 private:
  std::map<std::string, JobId> jobs_;
  std::map<JobId, std::string> requests_;
};

}  // namespace

std::unique_ptr<Check> check_requests() {
  return std::make_unique<Requests>();
}

}  // namespace devrun::sim
